// Receivers that others wrote, from PyPI, in a virtual environment of this run's own.
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before } from 'node:test'
import { fileURLToPath } from 'node:url'

import { freePort } from '../../../scripts/lib/ports.mjs'
import { startCommand } from '../../support/processes.mjs'

const PACKAGES = ['hl7==0.4.5', 'hl7v2-fhir-bridge==0.1.0', 'mllp-https==1.2.41']
const here = dirname(fileURLToPath(import.meta.url))

/** The programs of the environment; installed before the file's tests and removed after them. */
export function packages() {
  const place = { folder: undefined }
  before(() => {
    place.folder = mkdtempSync(join(tmpdir(), 'hl7-outbox-receivers-'))
    install(place.folder)
    certify(place.folder)
  }, { timeout: 300_000 })
  after(() => {
    if (place.folder !== undefined) rmSync(place.folder, { recursive: true, force: true })
  })
  const bin = (name) => join(place.folder, 'venv', 'bin', name)
  const tls = () => ({ cert: join(place.folder, 'cert.pem'), key: join(place.folder, 'key.pem') })
  return {
    tls,
    /** The receiver of mllp_receiver.py: what it received, and when it dropped a message in the middle. */
    async mllp(t, { secure = false } = {}) {
      const { cert, key } = tls()
      const program = startCommand(t, bin('python'), [join(here, 'mllp_receiver.py'), ...(secure ? [cert, key] : [])])
      const { port } = JSON.parse(await program.line((line) => line.startsWith('{"port"')))
      const received = () => program.lines.filter((line) => line.startsWith('{"controlId"')).map((line) => JSON.parse(line))
      return { port, received, dropped: () => program.line((line) => line.startsWith('{"dropped"')) }
    },
    /** The strict one: takes MSH-11 P only, and checks what it needs to make FHIR of a message. */
    async bridge(t, ...options) {
      const out = mkdtempSync(join(place.folder, 'bundles-'))
      const program = startCommand(t, bin('hl7v2-fhir-bridge'), ['serve', '--host', '127.0.0.1', '--port', '0', '--out', out, ...options])
      const line = await program.line((each) => each.includes('MLLP listening on'))
      return { port: Number(line.split(':').at(-1)) }
    },
    /** HTTP in front of an MLLP receiver. It cannot tell which port it took, so it is given one. */
    async http(t, mllpPort) {
      const port = await freePort()
      // Its thread for a kept connection spins when the connection's time is over, so that time is long.
      const kept = ['--mllp-keep-alive', '3600000', '--mllp_port', String(mllpPort), '127.0.0.1']
      const program = startCommand(t, bin('http2mllp'), ['-H', '127.0.0.1', '-p', String(port), ...kept], { env: { PYTHONUNBUFFERED: '1' } })
      await program.line((line) => line.includes(`Listening on 127.0.0.1:${port}`))
      return { url: `http://127.0.0.1:${port}/receive`, destination: {} }
    },
    /** The same over TLS, asking for a name and a password. */
    async https(t, mllpPort) {
      const port = await freePort()
      const { cert, key } = tls()
      const kept = ['--mllp-keep-alive', '3600000', '--mllp_port', String(mllpPort), '--certfile', cert, '--keyfile', key, '--username', 'clinic', '--password', 'invented', '127.0.0.1']
      const program = startCommand(t, bin('https2mllp'), ['-H', '127.0.0.1', '-p', String(port), ...kept], { env: { PYTHONUNBUFFERED: '1' } })
      await program.line((line) => line.includes(`Listening on 127.0.0.1:${port}`))
      const destination = { tls: { caFile: cert }, auth: { basic: { user: 'clinic', password: 'invented' } } }
      return { url: `https://127.0.0.1:${port}/receive`, destination }
    },
  }
}

function install(folder) {
  const { status, stdout, stderr } = spawnSync('python3', ['-c', 'import ensurepip, sys, venv; print(sys.version_info >= (3, 11))'], { encoding: 'utf8' })
  assert.equal(status, 0, `python3 with venv is missing: \`apt-get install python3 python3-venv\`, or Python's own installer\n${stderr ?? ''}`)
  assert.equal(stdout.trim(), 'True', 'python3 is older than 3.11, which hl7v2-fhir-bridge needs')
  execFileSync('python3', ['-m', 'venv', join(folder, 'venv')])
  execFileSync(join(folder, 'venv', 'bin', 'pip'), ['install', '--quiet', '--disable-pip-version-check', ...PACKAGES], { stdio: ['ignore', 'ignore', 'inherit'] })
}

/** A certificate for loopback that signs itself. */
function certify(folder) {
  const subject = ['-subj', '/CN=invented receiver', '-addext', 'subjectAltName=IP:127.0.0.1', '-addext', 'basicConstraints=critical,CA:FALSE']
  const { status, error, stderr } = spawnSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-keyout', join(folder, 'key.pem'), '-out', join(folder, 'cert.pem'), ...subject], { encoding: 'utf8' })
  assert.equal(error?.code, undefined, 'openssl is missing: `apt-get install openssl`')
  assert.equal(status, 0, stderr)
}
