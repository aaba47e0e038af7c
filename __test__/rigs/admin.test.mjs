// The admin page in a real browser: standalone, and mounted in a Next.js application. Pictures: rigs/results/admin.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import test from 'node:test'

import { hl7 } from '../support/messages.mjs'
import { by, reach, root } from '../support/outbox.mjs'
import { startProgram } from '../support/processes.mjs'
import { openBrowser, openPage } from './browser/browser.mjs'
import { SCRIPT, seeded } from './browser/seed.mjs'

const MAIN = join(root, 'dist', 'cli', 'main.js')

async function standalone(t, path, settings, more = []) {
  const file = join(dirname(path), 'settings.json')
  writeFileSync(file, JSON.stringify(settings))
  const program = startProgram(t, [MAIN, 'admin', '--config', file, '--json', '--actor', 'operator', ...more])
  const { url } = JSON.parse(await program.line((line) => line.startsWith('{')))
  return { program, url, origin: new URL(url).origin }
}

test('every room in both languages, light and dark, on a desk and on a phone: axe, policy and width hold', { timeout: 240_000 }, async (t) => {
  const { path, settings, ids } = await seeded(t)
  const { url, origin } = await standalone(t, path, settings)
  const browser = await openBrowser(t)
  const entered = await openPage(browser)
  await entered.page.goto(url)
  await entered.page.getByRole('heading', { name: 'Overview' }).waitFor()
  assert.equal(new URL(entered.page.url()).search, '', 'the token does not stay in the address')
  const storageState = await entered.context.storageState()

  const rooms = { overview: '#/overview', messages: '#/messages', refusals: '#/refusals', message: `#/message/${ids.bad}`, lane: `#/message/${ids.second}` }
  const looks = [
    ['desk', {}, 'English'],
    ['desk-dark-arabic', { colorScheme: 'dark' }, 'العربية'],
    ['phone', { viewport: { width: 360, height: 740 } }, 'English'],
    ['phone-arabic', { viewport: { width: 360, height: 740 } }, 'العربية'],
  ]
  for (const [name, options, language] of looks) {
    const { page, look, clean } = await openPage(browser, { ...options, storageState })
    await page.goto(`${origin}/`)
    await page.locator('header select').selectOption({ label: language })
    for (const [room, hash] of Object.entries(rooms)) {
      await page.goto(`${origin}/${hash}`)
      await page.locator('main h1').waitFor()
      if (room === 'messages') await page.locator('main table').waitFor()
      await page.locator('main table, main dl').first().waitFor()
      if (room === 'overview') await page.locator('.uplot canvas').nth(1).waitFor()
      await look(`${name}-${room}`)
    }
    assert.equal(await page.evaluate(() => globalThis.document.documentElement.dir), language === 'English' ? 'ltr' : 'rtl')
    clean()
  }
})

test('an operator finds, looks, corrects, retries, pauses and resumes, with the keys too', { timeout: 240_000 }, async (t) => {
  const { outbox, path, settings, shown, ids } = await seeded(t)
  const { url, origin } = await standalone(t, path, settings)
  const browser = await openBrowser(t)
  const { page, context, look, clean } = await openPage(browser)
  await page.goto(url)
  await page.getByRole('heading', { name: 'Overview' }).waitFor()
  await page.getByText('live', { exact: true }).waitFor()

  await t.test('the printed address works once', async () => {
    const other = await openPage(browser)
    for (const address of [url, `${origin}/`, `${origin}/api/messages`, `${origin}/?token=x`]) assert.equal((await other.page.goto(address)).status(), 403, address)
  })

  await t.test('the content is hidden until it is asked for, and is text', async () => {
    await page.goto(`${origin}/#/message/${ids.bad}`)
    await page.getByRole('button', { name: 'Show the content' }).waitFor()
    assert.ok(!(await page.content()).includes('Zzyx'))
    await page.getByRole('button', { name: 'Show the content' }).click()
    await page.getByText('<script>alert(1)</script><img src=x onerror=alert(1)>').waitFor()
    await page.getByText('Patient name').waitFor()
    await page.getByRole('button', { name: 'Show the answer to attempt 1' }).click()
    await page.getByText('Acknowledgement code').waitFor()
    await look('content')
  })

  await t.test('a refused message is corrected and replaced', async () => {
    await page.getByRole('button', { name: 'Correct and replace' }).click()
    const area = page.getByLabel('Corrected message, a segment a line')
    await area.fill((await area.inputValue()).replace('|BAD|', '|MENDED|'))
    await page.getByRole('button', { name: 'Check' }).click()
    await page.locator('dialog [role=status] :is(li, p)').first().waitFor()
    await page.getByLabel('Reason (recorded)').fill('wrong doctor')
    await look('correct')
    await page.getByRole('button', { name: 'Replace', exact: true }).click()
    await page.getByText('Replaced by').first().waitFor()
    await page.keyboard.press('Escape')
    const replaced = await outbox.getMessage(ids.bad)
    await reach(outbox, replaced.replacedBy, 'ACKNOWLEDGED')
  })

  await t.test('keys lead through the rooms; the list is filtered, one is selected and retried, and the list follows by itself', async () => {
    await page.keyboard.press('r')
    await page.getByRole('heading', { name: 'Refusals' }).waitFor()
    await page.keyboard.press('/')
    await page.locator('input[name=controlId]:focus').waitFor()
    await page.keyboard.type('wrong')
    await page.keyboard.press('Enter')
    await page.getByRole('checkbox', { name: 'Select WRONG' }).press('Space')
    await shown.behave({})
    await page.getByRole('button', { name: 'Retry' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Retry' }).click()
    assert.equal(await page.locator('dialog input:invalid').count(), 1, 'a command needs a reason')
    await page.getByLabel('Reason (recorded)').fill('receiver mended')
    await look('retry')
    await page.keyboard.press('Enter')
    await page.getByText('Changed: 1').waitFor()
    await page.locator('tbody .state.ACKNOWLEDGED').waitFor()
    await look('outcome')
  })

  await t.test('a destination is paused and resumed', async () => {
    await page.keyboard.press('o')
    for (const word of ['Pause', 'Resume']) {
      await page.getByRole('button', { name: `${word} malaffi` }).click()
      await page.getByLabel('Reason (recorded)').fill('maintenance')
      await page.getByRole('dialog').getByRole('button', { name: word }).click()
      await page.getByRole('button', { name: `${word === 'Pause' ? 'Resume' : 'Pause'} malaffi` }).waitFor()
    }
  })

  await t.test('all that match are held, and said to be', async () => {
    await page.goto(`${origin}/#/messages?status=PENDING`)
    await page.getByRole('button', { name: 'Select all that match the filter' }).click()
    await page.getByRole('button', { name: 'Hold' }).click()
    await page.getByLabel('Reason (recorded)').fill('to be looked at')
    await page.getByRole('dialog').getByRole('button', { name: 'Hold' }).click()
    await page.getByText('Changed: 2').waitFor()
    assert.equal((await outbox.getMessage(ids.first)).status, 'HELD')
  })

  await t.test('what another person did meanwhile is not done twice', async () => {
    await page.goto(`${origin}/#/messages?controlId=FIRST`)
    await page.getByRole('checkbox', { name: 'Select FIRST' }).check()
    await outbox.releaseMessages({ ids: [ids.first] }, by)
    await outbox.holdMessages({ ids: [ids.first] }, by)
    await page.getByRole('button', { name: 'Release' }).click()
    await page.getByLabel('Reason (recorded)').fill('go on')
    await page.getByRole('dialog').getByRole('button', { name: 'Release' }).click()
    await page.getByText('it changed after this page showed it').waitFor()
    assert.equal((await outbox.getMessage(ids.first)).status, 'HELD')
  })

  await t.test('a lost connection is said, and mended by itself', async () => {
    await context.setOffline(true)
    await page.getByRole('button', { name: 'Close' }).click()
    await page.getByRole('checkbox', { name: 'Select FIRST' }).check()
    await page.getByRole('button', { name: 'Release' }).click()
    await page.getByLabel('Reason (recorded)').fill('go on')
    await page.getByRole('dialog').getByRole('button', { name: 'Release' }).click()
    await page.getByText('The connection was lost.').first().waitFor()
    await context.setOffline(false)
    await page.keyboard.press('Escape')
    await page.goto(`${origin}/#/messages?controlId=HELD`)
    await page.getByRole('checkbox', { name: 'Select HELD' }).waitFor()
  })

  await t.test('an expired session is said', async () => {
    await context.clearCookies()
    await page.goto(`${origin}/#/refusals`)
    await page.getByText('You are not signed in any more').first().waitFor()
  })
  clean()
})

test('a group of refusals gets an owner, a note and its mark, and is open again with the next refusal', { timeout: 240_000 }, async (t) => {
  const { outbox, path, settings } = await seeded(t)
  const { url, origin } = await standalone(t, path, settings)
  const browser = await openBrowser(t)
  const { page, context, look, clean } = await openPage(browser)
  await page.goto(url)
  await page.getByRole('heading', { name: 'Overview' }).waitFor()
  const dialog = page.getByRole('dialog')
  const save = async (reason) => {
    await dialog.getByLabel('Reason (recorded)').fill(reason)
    await page.keyboard.press('Enter')
  }

  await t.test('with the keys alone it is taken, and a note is made, which is text', async () => {
    await page.keyboard.press('r')
    await page.getByRole('button', { name: 'See to it: ACK_AE_103 103 1014 malaffi' }).press('Enter')
    await dialog.getByRole('button', { name: 'I do' }).press('Space')
    assert.equal(await dialog.getByLabel('Owner').inputValue(), 'operator')
    await dialog.getByLabel('Note').fill(`licence\nis wrong ${SCRIPT}`)
    await dialog.getByRole('button', { name: 'Save' }).press('Enter')
    assert.equal(await page.locator('dialog input:invalid').count(), 1, 'a change needs a reason')
    await look('refusals-note')
    await save('daily look')
    await dialog.waitFor({ state: 'detached' })
    await page.locator('td.note').getByText(SCRIPT).waitFor()
    assert.equal((await outbox.listRefusals()).groups[0].owner, 'operator')
    await look('refusals-noted')
  })

  await t.test('what another person noted meanwhile is not written over', async () => {
    await page.getByRole('button', { name: /^See to it/ }).click()
    await dialog.getByLabel('Owner').fill('late')
    await outbox.updateRefusal((await outbox.listRefusals()).groups[0], { owner: 'another' }, by)
    await save('mine')
    await dialog.getByText('It changed after this page showed it').waitFor()
    await page.keyboard.press('Escape')
    await page.getByRole('cell', { name: 'another' }).waitFor()
    assert.equal((await outbox.listRefusals()).groups[0].owner, 'another')
  })

  await t.test('it is rectified, and found among what is', async () => {
    await page.getByRole('button', { name: /^See to it/ }).click()
    await dialog.getByRole('checkbox', { name: 'Rectified: the cause is mended' }).press('Space')
    await save('register corrected')
    await page.getByText('No dead letters. Nothing to rectify.').waitFor()
    await look('refusals-empty')
    await page.getByRole('link', { name: 'Rectified', exact: true }).click()
    await page.locator('.refusal-rectified').waitFor()
    await page.getByText(/^rectified .* by operator$/).waitFor()
    await look('refusals-rectified')
    await page.getByRole('link', { name: 'Mine, open' }).click()
    await page.getByText('No group of refusals here.').waitFor()
  })

  await t.test('the next refusal opens it again, and the page follows by itself', async () => {
    await page.getByRole('link', { name: 'Open', exact: true }).click()
    await page.getByText('No dead letters. Nothing to rectify.').waitFor()
    await reach(outbox, (await outbox.enqueueHl7(hl7({ control: 'WRONG-AGAIN' }))).id, 'FAILED')
    await page.getByText('open again').waitFor()
    await page.getByText('refused again').waitFor()
    await page.getByRole('cell', { name: 'another' }).waitFor()
    await look('refusals-again')
  })

  await t.test('in Arabic, dark, on a phone', async () => {
    const storageState = await context.storageState()
    const phone = await openPage(browser, { viewport: { width: 360, height: 740 }, colorScheme: 'dark', storageState })
    await phone.page.goto(`${origin}/#/refusals?view=all`)
    await phone.page.locator('header select').selectOption({ label: 'العربية' })
    await phone.page.getByRole('button', { name: /^تولَّ الأمر/ }).click()
    await phone.look('phone-arabic-refusals-note')
    phone.clean()
  })
  clean()
})
