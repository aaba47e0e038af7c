// The same promises for every version of Next: build without a trace, start with the server, deliver, and do so standalone.
import assert from 'node:assert/strict'
import { cp, mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'node:test'
import { buildApp, installApp, startApp, startStandalone } from '../../scripts/lib/next-app.mjs'
import { writeApp } from './fresh-app.mjs'
import { assertDelivers } from './way-of-a-message.mjs'
import { openDesk, openWorkplace } from './workplace.mjs'

export async function testFreshApp(name, description) {
  const workplace = await openWorkplace()
  const { folder, processes, tarball } = workplace
  const directory = join(folder, 'app')

  test(`an application on ${name}`, { timeout: 600_000 }, async (t) => {
    await t.test('installs the tarball', async () => {
      await mkdir(directory)
      await writeApp(directory, description)
      await installApp(directory, tarball)
    })

    await t.test('builds, starts and delivers', async () => {
      const { receiver, env, files } = await openDesk(workplace, 'served')
      await buildApp(processes, directory, env)
      assert.deepEqual(await files(), [], 'the build opened an outbox')

      const app = await startApp(processes, directory, env)
      // Next says that it is ready a little before instrumentation has run, but answers nothing until it has.
      assert.equal((await fetch(app.url)).status, 200)
      assert.ok((await files()).includes('outbox.db'), 'instrumentation did not start the outbox before the first answer')
      await assertDelivers(app, receiver, 'SERVED-1')

      const edge = await (await fetch(`${app.url}/api/edge`)).json()
      assert.equal(edge.code, 'ERR_UNSUPPORTED_RUNTIME', 'an edge route must build, and say when called why it cannot work')
      await app.stop()
      await receiver.stop()
    })

    await t.test("works as `output: 'standalone'`, copied to another place", async () => {
      const { receiver, env, files } = await openDesk(workplace, 'standalone')
      await buildApp(processes, directory, { ...env, TEST_OUTPUT: 'standalone' })
      assert.deepEqual(await files(), [], 'the build opened an outbox')

      const copy = join(folder, 'elsewhere')
      await cp(join(directory, '.next', 'standalone'), copy, { recursive: true, verbatimSymlinks: true })
      const packed = await readdir(join(copy, 'node_modules', 'hl7-outbox'), { recursive: true })
      assert.ok(packed.some((file) => file.endsWith('.node')), `no addon among ${packed.join(', ')}`)

      const app = await startStandalone(processes, copy, env)
      await assertDelivers(app, receiver, 'STANDALONE-1')
      await app.stop()
      await receiver.stop()
    })
  })
}
