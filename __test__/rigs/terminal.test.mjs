// The command line on a real terminal, in real shells, and its systemd unit as systemd reads it. Needs Linux and the packages
// zsh, fish and systemd; `script` is of every Debian.
/* eslint no-control-regex: off -- colours and cursor movements of the terminal are what is looked for */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'

import { codeBlocks } from '../docs/markdown.mjs'
import { hl7 } from '../support/messages.mjs'
import { by, config, folder, openPaused, root } from '../support/outbox.mjs'
import { environment } from '../support/processes.mjs'

const MAIN = join(root, 'dist', 'cli', 'main.js')
const quoted = (word) => `'${word.replaceAll("'", "'\\''")}'`
const CONTROLS = /\u001b\[[0-9;?]*[A-Za-z]/g

function needs(program, name) {
  assert.equal(spawnSync(program, ['--version']).error, undefined, `${program} is missing: install the package ${name}`)
}

/** What the command shows on a terminal of its own on which `typed` is typed. */
function onTerminal(args, { cwd, typed = '', env = {} }) {
  const line = `stty cols 100; exec ${[process.execPath, MAIN, ...args].map(quoted).join(' ')}`
  const { stdout, status } = spawnSync('script', ['-qec', line, '/dev/null'], { cwd, input: typed, encoding: 'utf8', env: environment({ TERM: 'xterm', ...env }), timeout: 30_000 })
  return { shown: stdout, code: status }
}

async function place(t) {
  const cwd = folder(t)
  const path = join(cwd, 'outbox.db')
  writeFileSync(join(cwd, 'hl7-outbox.config.json'), JSON.stringify(config(path, 'http://127.0.0.1:9/')))
  return { cwd, outbox: await openPaused(t, undefined, {}, { path }) }
}

test('a terminal gets colours, a progress bar that goes away again, and a table of its width; NO_COLOR takes the colours back', async (t) => {
  const { cwd } = await place(t)
  writeFileSync(join(cwd, 'many.hl7'), Array.from({ length: 9_000 }, () => hl7({ note: 'x'.repeat(200) })).join(''))
  const sent = onTerminal(['send', 'many.hl7'], { cwd })
  assert.equal(sent.code, 0)
  assert.match(sent.shown, /\r\u001b\[K\[#*-*\] +\d+ % {2}[\d,]+ stored, 0 there already, 0 refused {2}[\d,]+ a second/)
  assert.match(sent.shown, /\r\u001b\[K9,000 stored, 0 there already, 0 refused\r\n/)
  const list = onTerminal(['list', '--limit', '5'], { cwd })
  assert.match(list.shown, /\u001b\[2mID/)
  assert.ok(list.shown.replaceAll(CONTROLS, '').split(/\r?\n/).slice(0, 6).every((line) => line.length <= 100))
  assert.doesNotMatch(onTerminal(['list'], { cwd, env: { NO_COLOR: '1' } }).shown, /\u001b/)
})

test('many messages are asked about: yes goes on, anything else changes nothing', async (t) => {
  const { cwd, outbox } = await place(t)
  await outbox.enqueueHl7Batch(Array.from({ length: 101 }, () => ({ message: hl7() })))
  for (const typed of ['n\n', '\n', 'yesterday\n']) {
    const no = onTerminal(['hold', '--destination', 'malaffi'], { cwd, typed })
    assert.match(no.shown, /101 messages would be held\. Go on\? \[y\/N\] /)
    assert.match(no.shown, /nothing was changed/)
    assert.equal(no.code, 1)
  }
  assert.equal((await outbox.getStats()).byStatus.PENDING, 101)
  const yes = onTerminal(['hold', '--destination', 'malaffi'], { cwd, typed: 'y\n' })
  assert.match(yes.shown, /101 held/)
  assert.deepEqual([yes.code, (await outbox.getStats()).byStatus.HELD], [0, 101])
  assert.equal(by.actor, 'tester')
})

test('each shell reads its completions and completes commands, options and values', (t) => {
  needs('zsh', 'zsh')
  needs('fish', 'fish')
  const cwd = folder(t)
  const files = Object.fromEntries(['bash', 'zsh', 'fish'].map((shell) => {
    const file = join(cwd, `completions.${shell}`)
    writeFileSync(file, execFileSync(process.execPath, [MAIN, 'completions', shell]))
    return [shell, file]
  }))
  const bash = (...words) =>
    execFileSync('bash', ['-c', `source ${quoted(files.bash)}; COMP_WORDS=(hl7-outbox ${words.map(quoted).join(' ')}); COMP_CWORD=${words.length}; _hl7_outbox; printf '%s\\n' "\${COMPREPLY[@]}"`], { cwd, encoding: 'utf8' }).trim().split('\n')
  assert.deepEqual(bash('re'), ['refusals', 'retry', 'replace', 'refusal', 'release', 'resend', 'resume', 'restore', 'receiver'])
  assert.deepEqual(bash('list', '--status', 'P'), ['PENDING'])
  assert.deepEqual(bash('cancel', '--dry'), ['--dry-run'])
  assert.deepEqual(bash('check', 'comp').sort(), ['completions.bash', 'completions.fish', 'completions.zsh'])
  const fish = (line) =>
    execFileSync('fish', ['--no-config', '-c', `source ${quoted(files.fish)}; complete -C ${quoted(line)}`], { cwd, encoding: 'utf8', env: { ...process.env, HOME: cwd } }).trim().split('\n').map((each) => each.split('\t')[0])
  assert.deepEqual(fish('hl7-outbox rel'), ['release'])
  assert.deepEqual(fish('hl7-outbox list --status HE'), ['HELD'])
  assert.deepEqual(fish('hl7-outbox cancel --dry'), ['--dry-run'])
  // zsh completes only on a terminal, so it is asked on one. What is typed before its editor is there may be lost, so the prompt is
  // waited for, whose `%%` the echo of the command does not show as it shows it. With `EDITOR=vi`, which npm sets, keys would mean others.
  const typed = (line) => {
    const script = `zmodload zsh/zpty; zpty z 'zsh -f -i'; zpty -w z 'bindkey -e; autoload -Uz compinit; compinit -u -d ${cwd}/dump; source ${files.zsh}; PS1=READY%%:'; zpty -r z out '*READY%:*'; zpty -w -n z ${quoted(line)}$'\\t'$'\\C-a'"echo \\"<"$'\\C-e'">\\""$'\\n'; zpty -r z out '*<*>*<*>*'; print -r -- $out`
    const { stdout, stderr, error } = spawnSync('zsh', ['-f', '-c', script], { cwd, encoding: 'utf8', timeout: 60_000 })
    assert.equal(error, undefined, stderr)
    return stdout
  }
  assert.match(typed('hl7-outbox rel'), /hl7-outbox release/)
  assert.match(typed('hl7-outbox cancel --dry'), /hl7-outbox cancel --dry-run/)
})

test('systemd finds nothing wrong with the unit', (t) => {
  needs('systemd-analyze', 'systemd')
  const cwd = folder(t)
  execFileSync(process.execPath, [MAIN, 'init', cwd, '--only', 'systemd', '--path', join(cwd, 'outbox.db')], { stdio: 'ignore' })
  const unit = join(cwd, 'hl7-outbox.service')
  const { stderr, status } = spawnSync('systemd-analyze', ['verify', '--man=no', unit], { encoding: 'utf8' })
  assert.deepEqual([status, stderr.split('\n').filter((line) => line.includes('hl7-outbox.service'))], [0, []])
  assert.match(readFileSync(unit, 'utf8'), /^TimeoutStopSec=130$/m)
})

test('systemd finds nothing wrong with the unit of the deployment guide', (t) => {
  needs('systemd-analyze', 'systemd')
  const unit = join(folder(t), 'clinic.service')
  const { code } = codeBlocks(readFileSync(join(root, 'docs', 'deployment.md'), 'utf8')).find(({ language }) => language === 'ini')
  writeFileSync(unit, code.replace('/usr/bin/node', process.execPath))
  const { stderr, status } = spawnSync('systemd-analyze', ['verify', '--man=no', unit], { encoding: 'utf8' })
  assert.deepEqual([status, stderr.split('\n').filter((line) => line.includes('clinic.service'))], [0, []])
})
