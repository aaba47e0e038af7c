// What it is measured against: a plain insert with better-sqlite3, and a bare loop of requests with undici.
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'

import Database from 'better-sqlite3'
import { Pool } from 'undici'

import { threadCpuUs, watchLoop } from './clocks.mjs'
import { messages } from './messages.mjs'

const WARM_UP = 200

/** The columns of our message and its body in one row, and no index but the key: the least that such a table can cost. */
const TABLE = `CREATE TABLE message (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, id BLOB NOT NULL, destination TEXT NOT NULL, control_id TEXT NOT NULL,
  digest BLOB NOT NULL, message_type TEXT NOT NULL, lane BLOB, position INTEGER NOT NULL, state TEXT NOT NULL, place TEXT,
  due_at INTEGER, delay_ms INTEGER NOT NULL DEFAULT 0, priority INTEGER NOT NULL DEFAULT 0, rank INTEGER NOT NULL DEFAULT 0, attempts INTEGER NOT NULL DEFAULT 0, tries INTEGER NOT NULL DEFAULT 0,
  indeterminates INTEGER NOT NULL DEFAULT 0, attempts_max INTEGER, expires_ms INTEGER,
  fresh_at INTEGER NOT NULL, not_before INTEGER, application_ack TEXT,
  possible_duplicate INTEGER NOT NULL DEFAULT 0, manual INTEGER NOT NULL DEFAULT 0,
  cancel_requested INTEGER NOT NULL DEFAULT 0, held_at_entry INTEGER NOT NULL DEFAULT 0, warning TEXT, failure_code TEXT, failure TEXT, tags TEXT, replaces BLOB,
  replaced_by BLOB, created_at INTEGER NOT NULL, sent_at INTEGER, acknowledged_at INTEGER, updated_at INTEGER NOT NULL, purged_at INTEGER,
  content BLOB NOT NULL
) STRICT`

const INSERT = `INSERT INTO message (id, destination, control_id, digest, message_type, lane, position, state, place, due_at, fresh_at,
                                     created_at, updated_at, content)
                VALUES (?, 'bench', ?, ?, 'ADT^A08', ?, ?, 'PENDING', 'new', ?, ?, ?, ?, ?)`

function open(folder) {
  const database = new Database(join(folder, 'peer.db'))
  database.pragma('journal_mode = WAL')
  database.pragma('synchronous = FULL')
  database.exec(TABLE)
  const insert = database.prepare(INSERT)
  return { database, store: (row) => insert.run(...row) }
}

/** All that a row needs, made before the clock starts. */
function rows(count) {
  const now = Date.now()
  return messages(count).map((text, n) => {
    const id = Buffer.from(randomUUID().replaceAll('-', ''), 'hex')
    return [id, text.split('|', 10)[9], Buffer.alloc(32, id), id, n, now, now, now, now, Buffer.from(text)]
  })
}

/** Rate, and the JS thread's time: all of it, and the part spent on a processor. */
export async function enqueue({ folder, count }) {
  const { database, store } = open(folder)
  for (const row of rows(WARM_UP)) store(row)
  const list = rows(count)
  const [cpu, began] = [threadCpuUs(), performance.now()]
  for (const row of list) store(row)
  const seconds = (performance.now() - began) / 1e3
  const cpuUs = cpu === null ? null : (threadCpuUs() - cpu) / count
  database.close()
  return { perSecond: count / seconds, cpuUs, heldUs: (seconds * 1e6) / count }
}

export async function single({ folder, count }) {
  const { database, store } = open(folder)
  for (const row of rows(WARM_UP)) store(row)
  const us = []
  for (const row of rows(count)) {
    const began = performance.now()
    store(row)
    us.push((performance.now() - began) * 1e3)
  }
  database.close()
  return { us }
}

/** `inFlight` callers that each insert once in every turn of the event loop, as requests do that come together. */
export async function loop({ folder, count, inFlight }) {
  const { database, store } = open(folder)
  for (const row of rows(WARM_UP)) store(row)
  const list = rows(count)
  const stop = watchLoop()
  let next = 0
  const caller = async () => {
    while (next < list.length) {
      store(list[next++])
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
  await Promise.all(Array.from({ length: inFlight }, caller))
  const watched = stop()
  database.close()
  return watched
}

/** The same messages to the same receiver: no file, no order, no record. */
export async function delivery({ count, concurrency, url }) {
  const { origin, pathname } = new URL(url)
  const pool = new Pool(origin, { connections: concurrency, pipelining: 1 })
  const list = messages(count)
  let next = 0
  const caller = async () => {
    while (next < list.length) {
      const body = list[next++]
      const headers = { 'content-type': 'application/hl7-v2', 'x-message-control-id': body.split('|', 10)[9] }
      const answer = await pool.request({ path: pathname, method: 'POST', headers, body })
      const text = await answer.body.text()
      if (answer.statusCode !== 200 || !text.includes('MSA|AA')) throw new Error(`the receiver answered ${answer.statusCode}`)
    }
  }
  const began = performance.now()
  await Promise.all(Array.from({ length: concurrency }, caller))
  const seconds = (performance.now() - began) / 1e3
  await pool.close()
  return { perSecond: count / seconds }
}
