import { PGlite } from '@electric-sql/pglite'
import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import type { Database, Queryable } from './database'
import { claimDirectory } from './one-process'

/** PostgreSQL inside this process, for a try-out without a server. Two processes on one directory would ruin it. */
export async function openPglite(directory: string): Promise<Database> {
  const dataDir = path.resolve(directory)
  await mkdir(dataDir, { recursive: true })
  const release = await claimDirectory(dataDir)
  let db: PGlite
  try {
    db = await PGlite.create(dataDir)
  } catch (error) {
    await release()
    throw error
  }
  return {
    async query<Row>(sql: string, values?: unknown[]): Promise<Row[]> {
      return (await db.query<Row>(sql, values)).rows
    },
    transaction<T>(work: (tx: Queryable) => Promise<T>): Promise<T> {
      return db.transaction((tx) =>
        work({
          async query<Row>(sql: string, values?: unknown[]): Promise<Row[]> {
            return (await tx.query<Row>(sql, values)).rows
          },
        }),
      )
    },
    async close() {
      await db.close()
      await release()
    },
  }
}
