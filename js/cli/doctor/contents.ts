/** What the outbox says from inside. */
import type { Inspection } from '../../facade/index.js'
import { error, ok, warning, type Finding } from './report.js'

/** Clocks are set by small steps all the time. */
const AHEAD_MS_MAX = 5_000
const RESTORE = 'Stop the application, keep a copy of the file with its log, and restore a backup: hl7-outbox restore BACKUP.'

export function contents(found: Inspection, now: number): Finding[] {
  const { contents: inside, schemaKnown } = found
  if (inside === null) return []
  if (inside.locked) return [warning('contents', 'another process locks it, so it could not be read', 'Look at the processes above; repeat the command, and end a process that keeps the lock.')]
  if (inside.failed !== null) return [error('contents', `it cannot be read (${inside.failed})`, RESTORE)]
  if (inside.faults.length > 0) return [error('contents', `it is damaged: ${inside.faults.map(oneLine).join('; ')}`, RESTORE)]
  const sound = ok('contents', `sound; read in ${inside.checkMs} ms`)
  const schema = inside.schema ?? 0
  if (inside.tooNew) {
    return [sound, error('schema', `${schema}; this version knows ${schemaKnown}, and may not share the file`, 'Install at least the version that wrote it.')]
  }
  const known = ok('schema', schema < schemaKnown ? `${schema}; the next start makes it ${schemaKnown}` : String(schema))
  return [sound, known, ...bodies(inside.changedBodies), messages(inside.messages), clock(inside.latest, now)]
}

/** Only a full look knows. */
function bodies(changed: number | null): Finding[] {
  if (changed === null) return []
  if (changed > 0) return [error('bodies', `${changed} stored ${changed === 1 ? 'message is' : 'messages are'} not what was stored`, `None of them is sent. ${RESTORE}`)]
  return [ok('bodies', 'every stored message is what was stored')]
}

function messages(standing: Record<string, number>): Finding {
  const some = Object.entries(standing).filter(([, count]) => count > 0)
  return ok('messages', some.length === 0 ? 'none' : some.map(([state, count]) => `${state} ${count}`).join(' · '))
}

function clock(latest: number | null, now: number): Finding {
  const ahead = (latest ?? 0) - now
  if (ahead <= AHEAD_MS_MAX) return ok('clock', 'no stored time is in the future')
  return warning('clock', `the newest stored time is ${Math.round(ahead / 1000)} s in the future: this machine’s clock was ahead, or has gone back`, 'Set the clock (NTP). Order does not depend on it; waiting times and expiries do.')
}

function oneLine(text: string): string {
  return text.replaceAll('\n', ' ')
}
