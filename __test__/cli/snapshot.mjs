// Runs the command line as a process and compares all that it says with a file beside the tests. Ids, times and the places of
// this machine are written as names; everything else must be the same to the letter.
//   UPDATE_SNAPSHOTS=1 node --test __test__/cli/…    writes the files anew; read the difference before it is committed
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { hostname, userInfo } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { root } from '../support/outbox.mjs'
import { environment } from '../support/processes.mjs'

export const MAIN = join(root, 'dist', 'cli', 'main.js')
const SNAPSHOTS = join(dirname(fileURLToPath(import.meta.url)), 'snapshots')
const WAIT_MS_MAX = 30_000

/** Runs it to its end; `input` is its standard input, `each` is called with what it has said so far. */
export async function run(t, args, { cwd, env = {}, input = '', each = () => undefined } = {}) {
  const child = spawn(process.execPath, [MAIN, ...args], { cwd, env: environment({ NO_COLOR: '1', ...env }), stdio: ['pipe', 'pipe', 'pipe'] })
  t.after(() => child.kill('SIGKILL'))
  const late = setTimeout(() => child.kill('SIGKILL'), WAIT_MS_MAX)
  const said = { args, out: '', err: '' }
  child.stdout.on('data', (chunk) => each((said.out += chunk), child))
  child.stderr.on('data', (chunk) => (said.err += chunk))
  child.stdin.on('error', () => undefined)
  child.stdin.end(input)
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => {
      clearTimeout(late)
      resolve({ ...said, code: code ?? signal })
    })
  })
}

/** Names for what differs from run to run. One for a whole test, so that an id has the same name everywhere. */
export class Names {
  #ids = new Map()
  #texts = new Map()

  /** `text` is written as `<name>`. */
  set(text, name) {
    this.#texts.set(text, `<${name}>`)
    return this
  }

  #id(id) {
    if (!this.#ids.has(id)) this.#ids.set(id, `<id-${this.#ids.size + 1}>`)
    return this.#ids.get(id)
  }

  apply(text) {
    let named = text
    for (const [from, to] of [...this.#texts].sort(([a], [b]) => b.length - a.length)) named = named.replaceAll(from, to)
    return named
      .replaceAll(/[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}/g, (id) => this.#id(id))
      .replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g, '<time>')
      .replaceAll(`${userInfo().username}@${hostname()}`, '<user>')
      .replaceAll(/\b20\d{12}\+0000\b/g, '<HL7 time>')
      .replaceAll(/\bR[0-9a-f]{6,8}-\d+\b/g, '<answer id>')
      .replaceAll(/\bprocess \d+ on \S+/g, 'process <pid> on <host>')
      .replaceAll(/(<time>) \d+ ms/g, '$1 <n> ms')
      .replaceAll(/within \d+ ms/g, 'within <n> ms')
      .replaceAll(/oldest waiting \d+ \w+/g, 'oldest waiting <age>')
      .replaceAll(/127\.0\.0\.1:[1-9]\d+/g, '127.0.0.1:<port>')
      .replaceAll(/"(pid|beatAgeMs|bytes|walBytes|diskFreeBytes|p50|p95|p99|oldestPendingAgeMs|schema)":\d+/g, '"$1":<n>')
      .replaceAll(/"(host|sqliteVersion)":"[^"]*"/g, '"$1":"<$1>"')
      .replaceAll(/(cursor"?[: ]"?)[0-9.]+/g, '$1<cursor>')
  }
}

/** Compares what was said with snapshots/NAME.snap. */
export function same(name, { args, code, out, err }, names = new Names()) {
  const text = names.apply(`$ hl7-outbox ${args.map((arg) => (/^[\w@%+=:,./^-]+$/.test(arg) ? arg : `'${arg}'`)).join(' ')}\nends with ${code}\n--- standard output\n${out}--- standard error\n${err}`)
  const file = join(SNAPSHOTS, `${name}.snap`)
  if (process.env.UPDATE_SNAPSHOTS === '1') {
    mkdirSync(SNAPSHOTS, { recursive: true })
    writeFileSync(file, text)
  }
  assert.ok(existsSync(file), `${file} is missing; write it with UPDATE_SNAPSHOTS=1`)
  assert.equal(text, readFileSync(file, 'utf8').replaceAll('\r\n', '\n'), name)
}
