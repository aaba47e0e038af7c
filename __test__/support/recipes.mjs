// The recipes of the documentation as files, in a folder where they find the package and what else they need.
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

import { npm } from '../../scripts/prepare.mjs'
import { codeBlocks } from '../docs/markdown.mjs'
import { root } from './outbox.mjs'

/** What the Prisma models of the recipe are in the database. */
export const TABLES = [
  `CREATE TYPE "HL7MessageStatus" AS ENUM ('PENDING', 'SENT', 'ACKNOWLEDGED', 'FAILED')`,
  `CREATE TABLE "HL7Message" (
     "id" serial PRIMARY KEY, "controlId" text NOT NULL UNIQUE, "status" "HL7MessageStatus" NOT NULL DEFAULT 'PENDING',
     "sentAt" timestamp(3), "acknowledgedAt" timestamp(3), "errorMessage" text, "retryCount" integer NOT NULL DEFAULT 0)`,
  `CREATE TABLE "HL7Reader" ("name" text PRIMARY KEY, "cursor" text)`,
]

/** Writes the blocks that name a file, with the packages installed beside them; `own` are those that this repository has. */
export async function cook(folder, packages = [], own = []) {
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'kitchen', private: true }))
  if (packages.length > 0) {
    const code = await npm(['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error', ...packages], { cwd: folder })
    if (code !== 0) throw new Error(`npm install ${packages.join(' ')} ended with ${code}`)
  }
  mkdirSync(join(folder, 'node_modules'), { recursive: true })
  symlinkSync(root, join(folder, 'node_modules', 'hl7-outbox'), 'junction')
  for (const name of own) symlinkSync(join(root, 'node_modules', name), join(folder, 'node_modules', name), 'junction')
  writeBlocks(folder, 'recipes.md')
}

/** Writes the blocks of a page of docs/ that name a file. */
export function writeBlocks(folder, page) {
  for (const { words, code } of codeBlocks(readFileSync(join(root, 'docs', page), 'utf8'))) {
    const file = words.find((word) => word.startsWith('file='))?.slice(5)
    if (file === undefined) continue
    mkdirSync(join(folder, dirname(file)), { recursive: true })
    writeFileSync(join(folder, file), code)
  }
}
