import { Pool } from 'pg'
import { codeOf, log } from '../log'
import type { Database, Queryable } from './database'

export function openPostgres(connectionString: string): Database {
  const pool = new Pool({ connectionString, max: 10, connectionTimeoutMillis: 5_000 })
  // Without a listener a server restart, which breaks the idle connections, would end the whole process.
  pool.on('error', (error) => log('database connection lost', { code: codeOf(error) }))
  return {
    async query<Row>(sql: string, values?: unknown[]): Promise<Row[]> {
      return (await pool.query(sql, values)).rows as Row[]
    },
    async transaction<T>(work: (tx: Queryable) => Promise<T>): Promise<T> {
      const client = await pool.connect()
      let broken: Error | undefined
      try {
        await client.query('BEGIN')
        const result = await work({
          async query<Row>(sql: string, values?: unknown[]): Promise<Row[]> {
            return (await client.query(sql, values)).rows as Row[]
          },
        })
        await client.query('COMMIT')
        return result
      } catch (error) {
        await client.query('ROLLBACK').catch((reason: Error) => (broken = reason))
        throw error
      } finally {
        client.release(broken) // a connection that could not roll back is thrown away
      }
    },
    close: () => pool.end(),
  }
}
