// The admin page mounted in a real Next.js application by three lines, as one server and as `output: 'standalone'`.
import assert from 'node:assert/strict'
import { cp, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'node:test'

import { buildApp, installApp, startApp, startStandalone } from '../../scripts/lib/next-app.mjs'
import { writeApp } from '../nextjs/fresh-app.mjs'
import { openDesk, openWorkplace } from '../nextjs/workplace.mjs'
import { hl7 } from '../support/messages.mjs'
import { openBrowser, openPage } from './browser/browser.mjs'

const ROUTE = `import { adminRoute } from 'hl7-outbox/admin'
import { authorize } from '../../../../authorize.js'
export const { GET, POST } = adminRoute({ authorize })
`
/** The host's own: here a cookie names the person. */
const AUTHORIZE = `
export function authorize(request) {
  const person = /person=([a-z]+)/.exec(request.headers.get('cookie') ?? '')?.[1]
  if (person === 'admin') return { actor: 'admin', may: ['view', 'retry', 'cancel', 'hold', 'release', 'reveal', 'pause'] }
  if (person === 'nurse') return { actor: 'nurse', may: ['view', 'hold'], tags: { schoolId: 'S-1' } }
  return null
}
`
const CONFIG = `
const { withHl7Outbox } = require('hl7-outbox/next')
module.exports = withHl7Outbox({ output: process.env.TEST_OUTPUT === 'standalone' ? 'standalone' : undefined })
`
const MESSAGES = `
import { enqueueHl7 } from 'hl7-outbox'
export const runtime = 'nodejs'
export const dynamic = 'force-dynamic'
export async function POST(request) {
  const schoolId = new URL(request.url).searchParams.get('school')
  return Response.json(await enqueueHl7(new Uint8Array(await request.arrayBuffer()), { hold: true, tags: { schoolId } }), { status: 202 })
}
`

const workplace = await openWorkplace()
const { folder, processes, tarball } = workplace

for (const [name, versions] of [['Next 16', { next: '^16.0.0', react: '^19.0.0' }], ['Next 14', { next: '14.2.35', react: '18.3.1' }]]) {
  test(`mounted in an application on ${name}`, { timeout: 600_000 }, async (t) => {
    const directory = join(folder, name.replace(' ', '-'))
    await mkdir(directory)
    await writeApp(directory, { ...versions, config: ['next.config.js', CONFIG] })
    await mkdir(join(directory, 'app', 'admin', 'hl7', '[[...path]]'), { recursive: true })
    await writeFile(join(directory, 'app', 'admin', 'hl7', '[[...path]]', 'route.js'), ROUTE)
    await writeFile(join(directory, 'authorize.js'), AUTHORIZE)
    await writeFile(join(directory, 'app', 'api', 'messages', 'route.js'), MESSAGES)
    await installApp(directory, tarball)
    const browser = await openBrowser(t)

    await t.test('each sees their own, commands, and is kept up to date', async () => {
      const { env } = await openDesk(workplace, `${name}-served`)
      await buildApp(processes, directory, env)
      const app = await startApp(processes, directory, env)
      await used(browser, app.url, name.replace(' ', '-').toLowerCase())
      await app.stop()
    })
    if (name === 'Next 14') return
    await t.test("its files are in `output: 'standalone'`", async () => {
      const { env } = await openDesk(workplace, `${name}-standalone`)
      await buildApp(processes, directory, { ...env, TEST_OUTPUT: 'standalone' })
      const copy = join(folder, 'elsewhere')
      await cp(join(directory, '.next', 'standalone'), copy, { recursive: true, verbatimSymlinks: true })
      const app = await startStandalone(processes, copy, env)
      await used(browser, app.url, 'next-standalone')
      await app.stop()
    })
  })
}

async function used(browser, url, name) {
  const base = `${url}/admin/hl7`
  const send = async (control, school) => assert.equal((await fetch(`${url}/api/messages?school=${school}`, { method: 'POST', body: hl7({ control }) })).status, 202)
  for (const path of ['', '/api/messages', '/assets/app.js']) assert.equal((await fetch(`${base}${path}`)).status, 403, path)
  await send('MINE', 'S-1')
  await send('THEIRS', 'S-2')
  const as = async (person) => {
    const opened = await openPage(browser)
    await opened.context.addCookies([{ name: 'person', value: person, url }])
    await opened.page.goto(`${base}#/messages`)
    await opened.page.getByRole('link', { name: 'MINE' }).waitFor()
    return opened
  }
  const admin = await as('admin')
  assert.equal(await admin.page.getByRole('link', { name: 'THEIRS' }).count(), 1)
  const { page, look, clean } = await as('nurse')
  assert.equal(await page.getByRole('link', { name: 'THEIRS' }).count(), 0)
  await page.getByText('live', { exact: true }).waitFor()
  await send('LATER', 'S-1')
  await page.getByRole('link', { name: 'LATER' }).waitFor()
  await look(name)

  await admin.page.getByRole('checkbox', { name: 'Select MINE' }).check()
  await admin.page.getByRole('button', { name: 'Release' }).click()
  await admin.page.getByLabel('Reason (recorded)').fill('ready')
  await admin.page.getByRole('dialog').getByRole('button', { name: 'Release' }).click()
  await admin.page.getByText('Changed: 1').waitFor()
  await page.locator('tr', { hasText: 'MINE' }).locator('.ACKNOWLEDGED').waitFor()
  clean()
  admin.clean()
  await Promise.all([page.context().close(), admin.context.close()])
}
