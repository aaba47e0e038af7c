import { oncePerProcess, forget } from '../once-per-process'
import { createTables } from './tables'

export interface Queryable {
  query<Row>(sql: string, values?: unknown[]): Promise<Row[]>
}

export interface Database extends Queryable {
  /** Commits when `work` resolves, rolls back when it rejects. */
  transaction<T>(work: (tx: Queryable) => Promise<T>): Promise<T>
  close(): Promise<void>
}

/** Opened at first use, so that `next build`, which imports every route, opens nothing. */
export function database(): Promise<Database> {
  const opening = oncePerProcess('database', open)
  // A database that was down at the first try must not stay down for ever.
  opening.catch(() => forget('database'))
  return opening
}

async function open(): Promise<Database> {
  const url = process.env.DATABASE_URL
  const db = url
    ? (await import('./postgres')).openPostgres(url)
    : await (await import('./pglite')).openPglite(process.env.CLINIC_DATA_DIR || '.data/pglite')
  try {
    await createTables(db)
  } catch (error) {
    await db.close().catch(() => undefined)
    throw error
  }
  return db
}
