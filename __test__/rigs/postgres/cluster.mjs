// A PostgreSQL of this run's own, from Debian's package or whatever `pg_config` or PATH finds: in a folder that goes away, on a
// socket in that folder and no port, and never as root.
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'

const DEBIAN = '/usr/lib/postgresql'
const READY_MS_MAX = 30_000
const READY_EVERY_MS = 100

/** The folder of initdb, which Debian does not put into PATH. */
function programs() {
  const debian = existsSync(DEBIAN) ? readdirSync(DEBIAN).sort((a, b) => Number(b) - Number(a)).map((version) => join(DEBIAN, version, 'bin')) : []
  const found = [...debian, ...process.env.PATH.split(delimiter)].find((folder) => existsSync(join(folder, 'initdb')))
  assert.ok(found, 'PostgreSQL is missing: `apt-get install postgresql`')
  return found
}

/** Who it runs as: PostgreSQL refuses root. */
function somebody() {
  if (process.getuid() !== 0) return {}
  const id = (flag) => Number(execFileSync('id', [flag, 'nobody'], { encoding: 'utf8' }))
  return { uid: id('-u'), gid: id('-g') }
}

/** Starts it; `host` is what pg calls the folder of the socket. Stopped and removed after the test. */
export async function startCluster(t) {
  const folder = mkdtempSync(join(tmpdir(), 'hl7-outbox-postgres-'))
  const bin = programs()
  const as = somebody()
  const sockets = join(folder, 'sockets')
  mkdirSync(sockets)
  for (const path of [folder, sockets]) if (as.uid !== undefined) chownSync(path, as.uid, as.gid)
  const data = join(folder, 'data')
  execFileSync(join(bin, 'initdb'), ['-D', data, '-U', 'clinic', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'], { ...as, stdio: ['ignore', 'ignore', 'inherit'], cwd: folder })
  const options = { ...as, stdio: ['ignore', 'ignore', 'pipe'], cwd: folder }
  const server = spawn(join(bin, 'postgres'), ['-D', data, '-k', sockets, '-c', 'listen_addresses=', '-c', 'timezone=Asia/Dubai'], options)
  let said = ''
  server.stderr.on('data', (chunk) => (said += chunk))
  const ended = new Promise((resolve) => server.once('close', resolve))
  t.after(async () => {
    // Immediate: nothing of it is to be kept.
    server.kill('SIGQUIT')
    await ended
    rmSync(folder, { recursive: true, force: true })
  })
  const deadline = performance.now() + READY_MS_MAX
  while (!said.includes('ready to accept connections')) {
    assert.ok(server.exitCode === null && performance.now() < deadline, said)
    await new Promise((resolve) => setTimeout(resolve, READY_EVERY_MS))
  }
  return { host: sockets, user: 'clinic', database: 'postgres' }
}
