// What each test file here needs: a temporary folder, the packed package, child processes that end with the tests.
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { Processes } from '../../scripts/lib/processes.mjs'
import { startReceiver } from '../../scripts/lib/receiver.mjs'
import { packRoot } from '../../scripts/lib/tarball.mjs'

/** Call it once, at the top level of a test file. */
export async function openWorkplace() {
  const folder = await mkdtemp(join(tmpdir(), 'hl7-outbox-next-'))
  const processes = new Processes()
  after(async () => {
    await processes.stopAll()
    await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  })
  return { folder, processes, tarball: await packRoot(folder) }
}

/** A receiver, an empty folder for an outbox, and the environment that leads an application to both. */
export async function openDesk({ folder, processes }, name) {
  const receiver = await startReceiver(processes)
  const data = join(folder, name)
  await mkdir(data)
  const env = {
    HL7_OUTBOX_PATH: join(data, 'outbox.db'),
    MALAFFI_API_URL: new URL('/receive', receiver.url).href,
    MALAFFI_API_KEY: 'a-key-for-tests',
    CLINIC_DATA_DIR: join(data, 'pglite'),
    DATABASE_URL: '',
  }
  return { receiver, data, env, files: () => readdir(data) }
}
