// Every code block of README.md and docs/ is checked, by its language:
//   ts, tsx, js    type-checked against index.d.ts, each block by itself
//   js run         executed as well; `js run receiver` gets RECEIVER_URL, an HL7 receiver on loopback
//   json           parsed
//   sh             each command exists: npm scripts, subcommands of hl7-outbox, and the tools listed below
// A language without a check is listed with the reason; any other fails.
import assert from 'node:assert/strict'
import { execFile, execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join, relative } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

import ts from 'typescript'

import { codeBlocks, shellCommands } from './markdown.mjs'
import { startReceiver } from './receiver.mjs'

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..')
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

const unchecked = {
  text: 'prose, drawings, output',
  mermaid: 'drawings',
  hl7: 'messages; the HL7 tests have their own',
  nginx: 'configuration of another program',
  dockerfile: 'needs Docker',
  ini: 'configuration of another program',
  sql: "the reader's own database",
  prisma: "the reader's own schema",
  rust: 'internals; the Rust documentation tests run them where they stand in the source',
  toml: 'internals',
  yaml: 'configuration of another program',
}
/** Programs of the reader's machine. */
const tools = new Set(['cd', 'cp', 'mkdir', 'rm', 'cat', 'ls', 'echo', 'export', 'git', 'cargo', 'rustup', 'curl', 'openssl', 'docker', 'pm2', 'systemctl', 'journalctl', 'kill', 'chmod', 'chown', 'ln', 'apt-get', 'sudo', 'jq', 'head', 'tail', 'grep', 'time', 'sleep', 'bash'])
const npmCommands = new Set(['install', 'i', 'ci', 'pack', 'uninstall', 'ls', 'audit', 'init', 'version', 'publish', 'start'])
/** What readers have and this repository does not. */
const foreignModules = ['next', 'next/server', '@prisma/client', 'pg', 'express', 'nodemailer', '@/lib/*', '@/*', '@opentelemetry/exporter-trace-otlp-http']

function pages() {
  const docs = join(root, 'docs')
  const inDocs = existsSync(docs) ? readdirSync(docs, { recursive: true }).map((name) => join(docs, name)) : []
  return [join(root, 'README.md'), ...inDocs].filter((path) => path.endsWith('.md') && existsSync(path)).sort()
}

const blocks = pages().flatMap((path) => {
  const page = relative(root, path).replaceAll('\\', '/')
  return codeBlocks(readFileSync(path, 'utf8')).map((block) => ({ ...block, page, where: `${page}:${block.line}` }))
})
const isScript = ({ language }) => ['ts', 'tsx', 'js'].includes(language)

let folder
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'hl7-outbox-docs-'))
  mkdirSync(join(folder, 'node_modules'))
  symlinkSync(root, join(folder, 'node_modules', 'hl7-outbox'), 'junction')
  symlinkSync(join(root, 'node_modules', '@opentelemetry'), join(folder, 'node_modules', '@opentelemetry'), 'junction')
})
after(() => rmSync(folder, { recursive: true, force: true }))

test('every code block has a language that is checked, or listed with a reason', () => {
  const known = new Set(['ts', 'tsx', 'js', 'json', 'sh', ...Object.keys(unchecked)])
  assert.deepEqual(blocks.filter(({ language }) => !known.has(language)).map(({ where, language }) => `${where}: ${language || 'no language'}`), [])
  const words = new Set(['run', 'receiver'])
  const odd = blocks.filter((block) => block.words.some((word) => !words.has(word) && !/^(title|file)=/.test(word)) || (block.words.includes('run') && block.language !== 'js'))
  assert.deepEqual(odd.map(({ where, words: found }) => `${where}: ${found.join(' ')}`), [])
})

test('the TypeScript and JavaScript blocks type-check against index.d.ts', () => {
  const scripts = blocks.filter(isScript)
  const files = scripts.map((block, index) => {
    const named = block.words.find((word) => word.startsWith('file='))?.slice(5)
    // The files of one page may import each other.
    const file = join(folder, named === undefined ? `block-${index}.${block.language === 'js' ? 'mjs' : block.language}` : join(block.page, named))
    mkdirSync(dirname(file), { recursive: true })
    // The extra text stays on one line before the block, so that a message's line number is the page's.
    writeFileSync(file, `export {}; ${block.given}\n${block.code}`)
    return file
  })
  if (files.length === 0) return
  const shims = join(folder, 'foreign.d.ts')
  writeFileSync(shims, foreignModules.map((name) => `declare module '${name}'\n`).join(''))
  const program = ts.createProgram([...files, shims], {
    noEmit: true,
    strict: true,
    noImplicitAny: false,
    allowJs: true,
    checkJs: true,
    skipLibCheck: true,
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    moduleDetection: ts.ModuleDetectionKind.Force,
    esModuleInterop: true,
    jsx: ts.JsxEmit.Preserve,
    types: ['node'],
    typeRoots: [join(root, 'node_modules', '@types')],
    paths: { 'hl7-outbox': [join(root, 'index.d.ts')], 'hl7-outbox/next': [join(root, 'dist/next/index.d.ts')], 'hl7-outbox/admin': [join(root, 'dist/admin/index.d.ts')] },
  })
  const problems = ts.getPreEmitDiagnostics(program).map((each) => {
    const text = ts.flattenDiagnosticMessageText(each.messageText, '\n')
    const index = each.file ? files.findIndex((file) => relative(file, each.file.fileName) === '') : -1
    if (index === -1) return `${each.file?.fileName ?? 'program'}: ${text}`
    const { line } = each.file.getLineAndCharacterOfPosition(each.start ?? 0)
    return `${scripts[index].page}:${scripts[index].line + line}: ${text}`
  })
  assert.deepEqual(problems, [])
})

for (const block of blocks.filter(({ words }) => words.includes('run'))) {
  test(`${block.where} runs`, { timeout: 60_000 }, async () => {
    const own = mkdtempSync(join(folder, 'run-'))
    writeFileSync(join(own, 'block.mjs'), block.code)
    const receiver = block.words.includes('receiver') ? await startReceiver() : null
    try {
      const env = { ...process.env, HL7_OUTBOX_PATH: join(own, 'outbox.db'), ...(receiver && { RECEIVER_URL: receiver.url }) }
      await promisify(execFile)(process.execPath, ['block.mjs'], { cwd: own, env, timeout: 50_000 })
    } finally {
      await receiver?.close()
    }
  })
}

test('the JSON blocks parse', () => {
  for (const { where, code } of blocks.filter(({ language }) => language === 'json')) assert.doesNotThrow(() => JSON.parse(code), where)
})

test('the commands of the shell blocks exist', () => {
  let help = null
  const subcommandExists = (name) => {
    help ??= execFileSync(process.execPath, [join(root, manifest.bin['hl7-outbox']), '--help'], { encoding: 'utf8' })
    return new RegExp(`^\\s+(hl7-outbox )?${name.replace(/[^\w-]/g, '')}\\b`, 'm').test(help)
  }
  const isOfThePage = (page, name) => blocks.some((block) => block.page === page && block.words.some((word) => word.startsWith('file=') && basename(word.slice(5)) === name))
  const problem = (command, page) => {
    const [program, ...words] = command.split(/\s+/)
    const [first, second] = words.filter((word) => !word.startsWith('-'))
    if (program === 'npm' && first === 'run') return second in manifest.scripts ? null : `no npm script ${second}`
    if (program === 'npm') return first === 'test' || npmCommands.has(first) ? null : `unknown: ${command}`
    if (program === 'npx' && first !== 'hl7-outbox') return `unknown: ${command}`
    if (program === 'npx') return second === undefined || subcommandExists(second) ? null : `no subcommand ${second}`
    if (program === 'hl7-outbox') return first === undefined || subcommandExists(first) ? null : `no subcommand ${first}`
    if (program === 'node') return first === undefined || words.includes('-e') || existsSync(join(root, first)) || isOfThePage(page, first) ? null : `no file ${first}`
    return tools.has(program) ? null : `unknown: ${command}`
  }
  const problems = blocks
    .filter(({ language }) => language === 'sh')
    .flatMap(({ where, page, code }) => shellCommands(code).map((command) => [where, problem(command, page)]))
    .filter(([, what]) => what !== null)
  assert.deepEqual(problems.map(([where, what]) => `${where}: ${what}`), [])
})
