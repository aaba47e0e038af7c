/** The file, its directory and its companions, as the file system shows them. */
import { readdirSync, readFileSync } from 'node:fs'
import { basename, dirname } from 'node:path'

import type { FileFacts, Inspection } from '../../facade/index.js'
import { size } from '../numbers.js'
import { error, ok, warning, type Finding } from './report.js'

const LOG_BYTES_MAX = 64 << 20
const FREE_LOW = 256 * 2 ** 20
/** Below this, or a quarter of a small file system, new messages are refused. */
const FREE_KEPT = 16 * 2 ** 20
const BEAT_STALE_MS = 5_000
const BACKUP = 'Keep what is there, and put a backup in its place: hl7-outbox restore BACKUP.'

const KINDS = {
  'missing': ['there is no file', 'Check the path. If there was an outbox, restore a backup; otherwise the first start makes one.'],
  'directory': ['it is a directory', 'Point `path` at a file in it.'],
  'other': ['it is no file but a pipe, a socket or a device', 'Point `path` at another name.'],
  'link': ['it is a symbolic link', 'Point `path` at the file itself: two names would lead to one file without knowing of each other’s locks.'],
  'unreadable': ['this user cannot read it', 'Run the doctor as the application’s user, or give that user read and write permission.'],
  'other-database': ['it is a SQLite database, but no outbox; it was not touched', 'Point `path` at another file.'],
  'no-database': ['it is no outbox, or its beginning is damaged; it was not touched', 'Point `path` at another file. If it was an outbox, move it and its -wal away, and restore a backup: hl7-outbox restore BACKUP.'],
} as const

export function directory({ directory: found }: Inspection): Finding {
  if (!found.exists) return error('directory', 'it is missing', 'Create it, and give the application’s user the right to write in it.')
  if (found.isNetwork) {
    return error('directory', 'it is on a network file system, which keeps neither locks nor flushes reliably', 'Put the outbox on a local disk of the host that runs the application.')
  }
  if (found.writable === false) {
    return error('directory', 'this user cannot make files in it', 'Give the application’s user write permission; the file needs companions beside it.')
  }
  if (found.mode !== null && (found.mode & 0o022) !== 0) {
    return warning('directory', `other users may write in it (mode ${octal(found.mode)})`, 'Take that right away: chmod 700.')
  }
  return ok('directory', 'local and writable')
}

/** What the file itself is, and who may use it. */
export function file(found: Inspection): Finding[] {
  const { kind, log: present } = found
  const unfinished = error('restore', 'a restore began and did not end; nobody may open the outbox', 'Run hl7-outbox restore again, with the same backup or another one.')
  const findings = found.restoring ? [unfinished] : []
  if (kind === 'outbox') return [...findings, whole(found), rights(found)]
  if (kind !== 'empty') return [...findings, error('file', KINDS[kind][0], KINDS[kind][1])]
  if ((present?.bytes ?? 0) > 0) return [...findings, error('file', 'it is empty, but has a log: it was cut off', `Do not start the application, which would discard the log. ${BACKUP}`)]
  return [...findings, warning('file', 'it is empty: an outbox that was never opened, or what is left of one', 'Start the application; if there were messages, restore a backup.')]
}

function whole({ file: present, log: beside, header }: Inspection): Finding {
  const bytes = present?.bytes ?? 0
  const said = (header?.pages ?? 0) * (header?.pageBytes ?? 0)
  // With a log, pages may still be on their way into the file.
  if (bytes < said && (beside?.bytes ?? 0) === 0) return error('file', `it was cut off: ${bytes} of ${said} bytes are there`, BACKUP)
  return ok('file', `an outbox of ${size(bytes)}`)
}

function rights(found: Inspection): Finding {
  const parts: [string, FileFacts | null][] = [['the file', found.file], ['its log', found.log], ['its index', found.index]]
  for (const [name, part] of parts) {
    if (part === null) continue
    if (part.isLink || (part.names ?? 1) > 1) {
      return error('rights', `${name} has a second name (a link)`, 'Leave one name: two would lead to one file without knowing of each other’s locks.')
    }
    if (!part.readable || !part.writable) {
      const owner = part.uid === null ? '' : `, which belongs to user ${part.uid}`
      return error('rights', `this user cannot read and write ${name}${owner}`, 'Run the doctor as the application’s user; if this is it, give it both rights (chown, chmod 600).')
    }
    if (part.mode !== null && (part.mode & 0o077) !== 0) {
      return warning('rights', `other users may use ${name} (mode ${octal(part.mode)}), which holds patients’ data`, 'Take that right away: chmod 600.')
    }
  }
  return ok('rights', 'its owner’s only')
}

export function log({ log: found, journal }: Inspection): Finding {
  if (journal !== null && journal.bytes > 0) {
    return warning('log', 'a rollback journal lies beside the file: another program has written to it', 'Let no other program write to the outbox. The next start decides what is taken back.')
  }
  if (found === null) return ok('log', 'none: everything is in the file')
  if (found.bytes > LOG_BYTES_MAX) {
    return warning('log', `${size(found.bytes)}: it cannot be folded back into the file`, 'Look for a program that keeps a read transaction open: a SQLite shell, a copy that goes on.')
  }
  return ok('log', size(found.bytes))
}

export function processes({ users }: Inspection): Finding {
  const stopped = users.openBy.filter(isStopped)
  if (users.unreadable) return warning('processes', 'some marks of processes cannot be read', 'Run the doctor as the application’s user.')
  if (stopped.length > 0) {
    return warning('processes', `process ${stopped.join(', ')} has it open and is stopped`, 'Continue the process (kill -CONT) or end it: it keeps its locks for as long as it is there.')
  }
  return ok('processes', users.openBy.length === 0 ? 'none has it open' : `open in ${users.openBy.join(', ')}`)
}

export function dispatcher({ users }: Inspection, now: number): Finding {
  const { led, beat } = users
  if (!led) return warning('dispatcher', 'no process sends; messages are safe and wait', 'Start a process with `dispatch` on, or hl7-outbox worker.')
  if (beat === null) return ok('dispatcher', 'a process has just taken the lead')
  const silent = now - beat.at
  const who = `process ${beat.pid} on ${beat.host}`
  if (silent > BEAT_STALE_MS) {
    return warning('dispatcher', `${who} has been silent for ${Math.round(silent / 1000)} s`, 'If it is stopped, continue or end it; another takes over as soon as it is gone.')
  }
  return ok('dispatcher', `${who}, since ${new Date(beat.since).toISOString()}`)
}

export function space({ directory: { freeBytes, totalBytes } }: Inspection): Finding {
  if (freeBytes === null) return ok('space', 'the system does not say')
  const free = `${size(freeBytes)} free`
  if (freeBytes < Math.min(FREE_KEPT, (totalBytes ?? Infinity) / 4)) return error('space', `${free}: new messages are refused`, 'Free space on the file system of the outbox.')
  if (freeBytes < FREE_LOW) return warning('space', free, 'Free space on the file system of the outbox.')
  return ok('space', free)
}

/** What killed processes and earlier restores left. */
export function leftovers(path: string, { users }: Inspection): Finding {
  const own = basename(path)
  const names = listed(dirname(path)).filter((name) => name.startsWith(own))
  const parts = names.filter((name) => name.startsWith(`${own}.part-`))
  const kept = names.filter((name) => name.startsWith(`${own}.before-restore-`))
  if (parts.length > 0) return warning('leftovers', `unfinished copies: ${parts.join(', ')}`, 'Unless a restore is under way, remove them: they hold patients’ data.')
  const told = []
  if (users.left.length > 0) told.push(`${users.left.length} of processes that were killed, which the next start removes`)
  if (kept.length > 0) told.push(`kept by restore, until you remove it: ${kept.join(', ')}`)
  return ok('leftovers', told.length === 0 ? 'none' : told.join('; '))
}

function listed(path: string): string[] {
  try {
    return readdirSync(path)
  } catch {
    return []
  }
}

/** Linux says it; elsewhere a silent dispatcher shows it. */
function isStopped(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return /^[Tt]$/.test(stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3))
  } catch {
    return false
  }
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, '0')
}
