// The fail points, as the sources declare them, and what a run needs so that one is met.
import { readFileSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const crates = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'crates')

/** All points, by name: `{ name, canErr }`; `canErr`: it can fail by an error of its layer. */
export const points = new Map()
/** Wrong behaviour that can be planted, by name. */
export const plants = new Set()

for (const file of readdirSync(crates, { recursive: true }).filter((path) => /^outbox-(core|sqlite|transport|napi).src.*\.rs$/.test(path)).sort()) {
  const text = readFileSync(join(crates, file), 'utf8')
  for (const [, name, more] of text.matchAll(/\bfault!\(\s*"([a-z-]+)"(,)?/g)) points.set(name, { name, canErr: more !== undefined || points.get(name)?.canErr === true })
  for (const [, name] of text.matchAll(/\bplant!\(\s*"([a-z-]+)"/g)) plants.add(name)
}

/** Met only once or twice in the life of a process. */
export const RARE = new Set([
  'close-thread', 'consumer-take', 'lead-begin', 'lead-halt', 'lead-recover', 'lead-take', 'open-thread', 'outbox-start', 'readers-start', 'recover-apply', 'recover-row',
  'registry-close', 'registry-open', 'stop-close', 'stop-drain', 'store-close', 'store-copy-lock', 'store-mark', 'store-marked', 'store-migrate', 'store-migrate-step', 'store-open', 'store-reopen',
  'store-reserve', 'store-reserve-grow', 'token-fetch', 'give-back', 'keeper-beat', 'breaker-note', 'checkpoint-fold-back', 'keeper-follow', 'connection-open', 'read-consumer', 'read-latest-cursor',
])

/** What else has to happen before the point is met: another fault, or a scene of the rig. */
export const NEEDS = {
  'lead-halt': { also: 'commit-begin=20*off->1*return(error)' },
  'store-reopen': { also: 'commit-begin=20*off->1*return(error)' },
  'recover-row': { scene: 'takeover' },
  'give-back': { scene: 'outage' },
  'token-fetch': { scene: 'token' },
  'mllp-first-byte': { scene: 'mllp' },
  'mllp-piece': { scene: 'mllp' },
  'mllp-last-byte': { scene: 'mllp' },
  'mllp-answer-read': { scene: 'mllp' },
}

/** Further failures of SQLite, and refusals of one operation, where they differ from the failure of the disk. */
const MORE_WAYS = {
  'claim-row-written': ['constraint', 'refused'],
  'command-carried-out': ['refused'],
  'commit-begin': ['busy', 'full'],
  'commit-before': ['busy', 'full'],
  'complete-row-written': ['constraint', 'refused'],
  'connection-open': ['busy'],
  'enqueue-apply': ['refused'],
  'enqueue-row-written': ['constraint', 'refused'],
  'read-list': ['busy', 'refused'],
  'store-migrate': ['busy', 'full'],
  'store-migrate-step': ['busy', 'full'],
  'turn-apply': ['busy', 'refused'],
}

/** All cases: a point, a way to fail, and when. */
export function cases() {
  const all = []
  for (const { name, canErr } of points.values()) {
    for (const way of ['error', 'panic', 'kill', 'delay 300', ...(MORE_WAYS[name] ?? [])]) {
      if (way === 'error' && !canErr) continue
      all.push({ point: name, way, when: 'first' })
      if (RARE.has(name)) continue
      all.push({ point: name, way, when: 'nth' })
      if (way !== 'kill') all.push({ point: name, way, when: 'thrice' })
    }
  }
  return all
}

/** A case in the words of the crate `fail`. */
export function actions({ way, when }, n) {
  if (when === 'first') return `1*return(${way})`
  return when === 'nth' ? `${n}*off->1*return(${way})` : `3*return(${way})`
}
