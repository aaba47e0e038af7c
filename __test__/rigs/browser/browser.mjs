// A headless Chromium (Debian package chromium), and what every page of ours must keep: no broken policy, no error, no request
// elsewhere, and no violation of the rules of accessibility that axe knows.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync } from 'node:fs'
import { delimiter, join } from 'node:path'

import axe from 'axe-core'
import { chromium } from 'playwright-core'

import { root } from '../../support/outbox.mjs'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome']
const SCREENS = join(root, 'rigs', 'results', 'admin')
const WAIT_MS_MAX = 20_000
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']

function executable() {
  const found = process.env.PATH.split(delimiter).flatMap((folder) => NAMES.map((name) => join(folder, name))).find((path) => existsSync(path))
  if (found === undefined) throw new Error('no Chromium on the PATH: install the Debian package chromium')
  return found
}

export async function openBrowser(t) {
  const browser = await chromium.launch({ executablePath: executable(), args: ['--no-sandbox', '--disable-dev-shm-usage'] })
  t.after(() => browser.close())
  return browser
}

/** A page that notes everything that must not happen; `clean()` asserts that nothing did. */
export async function openPage(browser, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, locale: 'en-GB', ...options })
  const page = await context.newPage()
  page.setDefaultTimeout(WAIT_MS_MAX)
  const trouble = []
  await page.exposeBinding('noteViolation', (_, what) => trouble.push(`policy: ${what}`))
  await page.addInitScript(() => {
    globalThis.addEventListener('securitypolicyviolation', (event) => globalThis.noteViolation(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`))
  })
  page.on('pageerror', (error) => trouble.push(`error: ${error.message}`))
  page.on('dialog', (dialog) => {
    trouble.push(`dialogue: ${dialog.message()}`)
    void dialog.dismiss()
  })
  page.on('request', (request) => {
    const { hostname, protocol } = new URL(request.url())
    if (hostname !== '127.0.0.1' && protocol !== 'data:') trouble.push(`request: ${request.url()}`)
  })
  return {
    page,
    context,
    clean: () => assert.deepEqual(trouble, []),
    /** A picture for looking at; and what axe says of the page as it is now. */
    async look(name) {
      mkdirSync(SCREENS, { recursive: true })
      await page.screenshot({ path: join(SCREENS, `${name}.png`), fullPage: true })
      await page.evaluate(axe.source)
      const { violations } = await page.evaluate((values) => globalThis.axe.run({ runOnly: { type: 'tag', values } }), RULES)
      assert.deepEqual(violations.map(({ id, nodes }) => `${name}: ${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).slice(0, 3).join(' | ')}`), [])
      const overflow = await page.evaluate(() => globalThis.document.documentElement.scrollWidth - globalThis.document.documentElement.clientWidth)
      assert.ok(overflow <= 0, `${name}: the page is ${overflow} px wider than the window`)
    },
  }
}
