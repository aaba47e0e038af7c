// The Dockerfile of the guide without Docker: its steps are carried out in folders, one for each stage, and its command is started there with its
// environment, as a user who may write nothing but the volume.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { chmodSync, chownSync, copyFileSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import test from 'node:test'

import { freePort } from '../../scripts/lib/ports.mjs'
import { receivedBy } from '../../scripts/lib/receiver.mjs'
import { npm, root, run } from '../../scripts/prepare.mjs'
import { codeBlocks } from '../docs/markdown.mjs'
import { writeApp } from './fresh-app.mjs'
import { openDesk, openWorkplace } from './workplace.mjs'

const EXAMPLE = join(root, 'examples', 'docker')
/** Nobody in particular, as a container's user is to the files of its image. */
const STRANGER = 65_534
const VOLUME = '/var/lib/clinic'

/** The instructions of a Dockerfile: `{ name, words, text }`. Comments are left out, continued lines joined. */
function instructions(text) {
  const whole = text.replace(/^\s*#.*\n/gm, '').replace(/\\\n/g, ' ')
  return whole.split('\n').filter((line) => line.trim() !== '').map((line) => {
    const [, name, rest] = /^(\w+)\s+(.*)$/.exec(line)
    return { name, text: rest.trim(), words: rest.trim().split(/\s+/) }
  })
}

/** What a build would carry out and an image would say. */
class Build {
  stages = []

  constructor(folder, context) {
    this.folder = folder
    this.context = context
    this.ignored = readFileSync(join(EXAMPLE, '.dockerignore'), 'utf8').split('\n').filter((line) => line !== '' && !line.startsWith('#')).map((line) => /^\*\*\/(.+)$/.exec(line)[1])
  }

  get stage() {
    return this.stages.at(-1)
  }

  /** A path of the present stage, or of another, as a folder of this machine. */
  place(path, stage = this.stage) {
    return join(stage.root, path.startsWith('/') ? path : join(stage.directory, path))
  }

  isIgnored(name) {
    return this.ignored.some((pattern) => new RegExp(`^${pattern.replaceAll('.', '\\.').replaceAll('*', '.*')}$`).test(name))
  }

  async step({ name, words, text }) {
    if (name === 'FROM') {
      const stage = { name: words[2], image: words[0], root: join(this.folder, `stage-${this.stages.length}`), directory: '/', env: {} }
      this.stages.push(stage)
      mkdirSync(stage.root)
    } else if (name === 'WORKDIR') {
      this.stage.directory = text
      mkdirSync(this.place('.'), { recursive: true })
    } else if (name === 'ENV') for (const word of words) this.stage.env[word.slice(0, word.indexOf('='))] = word.slice(word.indexOf('=') + 1)
    else if (name === 'COPY') this.copy(words)
    else if (name === 'RUN') await this.run(text)
    else if (['USER', 'VOLUME', 'EXPOSE', 'STOPSIGNAL', 'CMD'].includes(name)) this.stage[name] = text
    else assert.fail(`the test does not know ${name}`)
  }

  copy(words) {
    const from = words[0].startsWith('--from=') ? this.stages.find(({ name }) => name === words[0].slice(7)) : undefined
    const [to, ...sources] = words.slice(from === undefined ? 0 : 1).reverse()
    for (const source of sources.reverse()) {
      if (from !== undefined) cpSync(this.place(source, from), this.place(to), { recursive: true, verbatimSymlinks: true })
      else if (source === '.') cpSync(this.context, this.place(to), { recursive: true, filter: (path) => path === this.context || !this.isIgnored(basename(path)) })
      else {
        const fits = new RegExp(`^${source.replaceAll('.', '\\.').replaceAll('*', '.*')}$`)
        const names = readdirSync(this.context).filter((name) => fits.test(name))
        assert.ok(names.length > 0 || source.includes('*'), `nothing to copy: ${source}`)
        for (const name of names) copyFileSync(join(this.context, name), join(this.place(to), name))
      }
    }
  }

  /** In the stage's folder instead of at the root; of the image's user `node` this machine knows nothing. */
  async run(text) {
    const command = text.replaceAll(VOLUME, this.place(VOLUME)).replace(' -o node -g node', '')
    if (command !== text) mkdirSync(join(this.place(VOLUME), '..'), { recursive: true })
    let output = ''
    const env = { ...process.env, ...this.stage.env, NEXT_TELEMETRY_DISABLED: '1' }
    const code = await run('sh', ['-ec', command], { cwd: this.place('.'), env, onOutput: (chunk) => (output += chunk) })
    assert.equal(code, 0, `RUN ${text}\n${output}`)
  }
}

const config = `
const { withHl7Outbox } = require('hl7-outbox/next')
module.exports = withHl7Outbox({ output: 'standalone' })
`
const workplace = await openWorkplace()
const { folder, processes, tarball } = workplace
const context = join(folder, 'context')
const build = new Build(folder, context)

test('the Dockerfile builds, and what it makes delivers as a user who may write nothing but the volume, and ends well', { timeout: 600_000 }, async (t) => {
  await t.test('its steps can be carried out', async () => {
    mkdirSync(context)
    await writeApp(context, { next: '14.2.35', react: '^18.3.1', config: ['next.config.js', config], dependencies: { 'hl7-outbox': `file:./${basename(tarball)}` } })
    // As the guide has it.
    const blocks = codeBlocks(readFileSync(join(root, 'docs', 'deployment.md'), 'utf8'))
    const { code } = blocks.find(({ words }) => words.includes('file=instrumentation.ts'))
    writeFileSync(join(context, 'instrumentation.js'), code)
    const manifest = JSON.parse(readFileSync(join(context, 'package.json'), 'utf8'))
    writeFileSync(join(context, 'package.json'), JSON.stringify({ ...manifest, scripts: { build: 'next build' } }))
    copyFileSync(tarball, join(context, basename(tarball)))
    assert.equal(await npm(['install', '--package-lock-only', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: context }), 0)
    copyFileSync(join(EXAMPLE, '.dockerignore'), join(context, '.dockerignore'))
    // What an image may never hold.
    writeFileSync(join(context, '.env.local'), 'MALAFFI_API_KEY=a-secret-of-a-developer\n')
    writeFileSync(join(context, 'outbox.db'), 'messages of a developer')
    for (const instruction of instructions(readFileSync(join(EXAMPLE, 'Dockerfile'), 'utf8'))) await build.step(instruction)
    const [first, second] = build.stages
    assert.equal(first.image, second.image, 'both stages have one C library')
    for (const { root: place } of build.stages) {
      assert.ok(!existsSync(join(place, 'app', '.env.local')) && !existsSync(join(place, 'app', 'outbox.db')))
    }
    assert.equal(statSync(build.place(VOLUME)).mode & 0o777, 0o700)
    // Nothing of the place where it was built is needed.
    renameSync(first.root, `${first.root}-gone`)
    renameSync(context, `${context}-gone`)
  })

  await t.test('its command delivers, and its signal cuts nothing', async () => {
    const { receiver, env: desk } = await openDesk(workplace, 'docker')
    const stage = build.stage
    const port = await freePort()
    const volume = build.place(VOLUME)
    const user = process.getuid?.() === 0 ? { uid: STRANGER, gid: STRANGER } : {}
    if (user.uid !== undefined) {
      for (const path of [folder, stage.root]) chmodSync(path, 0o755)
      chownSync(volume, STRANGER, STRANGER)
    }
    assert.deepEqual([stage.VOLUME, stage.USER, stage.env.HL7_OUTBOX_PATH], [VOLUME, 'node', `${VOLUME}/outbox.db`])
    const env = { PATH: process.env.PATH, MALAFFI_API_URL: desk.MALAFFI_API_URL, MALAFFI_API_KEY: desk.MALAFFI_API_KEY, ...stage.env, HOSTNAME: '127.0.0.1', PORT: String(port), HL7_OUTBOX_PATH: join(volume, 'outbox.db') }
    const [command, ...args] = JSON.parse(stage.CMD)
    assert.equal(command, 'node')
    const child = spawn(process.execPath, args, { cwd: build.place('.'), env, stdio: ['ignore', 'pipe', 'pipe'], ...user })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk))
    const ended = new Promise((resolve) => child.once('close', (code, signal) => resolve({ code, signal })))
    t.after(() => child.kill('SIGKILL'))
    const url = `http://127.0.0.1:${port}`
    await serving(url, ended, () => output)
    if (user.uid !== undefined) assert.equal(statSync(join(volume, 'outbox.db')).uid, STRANGER)

    // The receiver takes three seconds: longer than PM2 would wait, shorter than Docker does.
    await fetch(new URL('/behaviour', receiver.url), { method: 'PUT', body: JSON.stringify({ latency: 3_000 }) })
    const message = 'MSH|^~\\&|A|B|C|D|20300102030405||ADT^A08|DOCKER-1|T|2.5.1\rPID|1||P-1^^^B\r'
    const stored = await fetch(`${url}/api/messages`, { method: 'POST', body: message })
    assert.equal(stored.status, 202, output)
    const { items: [flying] } = await (await fetch(new URL('/received?waitMs=20000', receiver.url))).json()
    assert.equal(flying.answeredAt ?? null, null, 'an attempt is in flight')
    child.kill(stage.STOPSIGNAL)
    assert.deepEqual(await ended, { code: 0, signal: null }, output)
    const [arrived, ...again] = await receivedBy(receiver)
    assert.deepEqual([arrived.controlId, again.length], ['DOCKER-1', 0])

    // The command comes with the image.
    const left = await processes.start('list', ['node_modules/hl7-outbox/dist/cli/main.js', 'list', '--json', '--path', env.HL7_OUTBOX_PATH], { cwd: build.place('.') })
    await left.ended
    assert.deepEqual([JSON.parse(left.lines[0]).status, JSON.parse(left.lines[0]).tries], ['ACKNOWLEDGED', 1], left.output)
    await receiver.stop()
  })
})

async function serving(url, ended, output) {
  let isOver = false
  void ended.then(() => (isOver = true))
  for (;;) {
    const answer = await fetch(url).catch(() => null)
    if (answer?.status === 200) return
    assert.ok(!isOver, output())
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}
