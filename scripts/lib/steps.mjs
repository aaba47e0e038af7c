// Runs the steps of a test command one after another, goes on after a failure, and sums up.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative, sep } from 'node:path'

import { run } from '../prepare.mjs'
import { closingLine, countTap } from './counts.mjs'

export class Steps {
  #total = { passed: 0, failed: 0, skipped: 0 }
  #lines = []

  /** A step that either passes or fails, by exit code or exception. */
  async check(title, body) {
    await this.#step(title, async () => {
      const code = (await body()) ?? 0
      return { code, passed: code === 0 ? 1 : 0, failed: 0, skipped: 0 }
    })
  }

  /** A program that counts its own tests; what it prints is shown and read. */
  async counted(title, command, args, count, env = process.env) {
    await this.#step(title, async () => {
      let output = ''
      const code = await run(command, args, {
        env,
        onOutput: (chunk, stream) => {
          output += chunk.toString()
          stream.write(chunk)
        },
      })
      return { code, ...count(output) }
    })
  }

  /** Files of node:test, shown as a specification and counted from TAP. */
  async nodeTests(title, files, env = process.env) {
    if (files.length === 0) return
    await this.#step(title, async () => {
      const folder = mkdtempSync(join(tmpdir(), 'hl7-outbox-tap-'))
      const tap = join(folder, 'out.tap')
      try {
        const reporters = ['--test-reporter=spec', '--test-reporter-destination=stdout', '--test-reporter=tap', `--test-reporter-destination=${tap}`]
        const code = await run(process.execPath, ['--test', ...reporters, ...files], { env })
        return { code, ...countTap(readFileSync(tap, 'utf8')) }
      } finally {
        rmSync(folder, { recursive: true, force: true })
      }
    })
  }

  async #step(title, body) {
    console.log(`\n=== ${title}`)
    const startedAt = performance.now()
    let result
    try {
      result = await body()
    } catch (error) {
      console.error(`error: ${error.message}`)
      result = { code: 1, passed: 0, failed: 1, skipped: 0 }
    }
    // A program that fails before its first test (a compile error) must not look like a run without failures.
    if (result.code !== 0 && result.failed === 0) result.failed = 1
    this.#total.passed += result.passed
    this.#total.failed += result.failed
    this.#total.skipped += result.skipped
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
    this.#lines.push(`${result.failed === 0 ? 'ok    ' : 'FAILED'}  ${title}: ${closingLine(result)} (${seconds} s)`)
  }

  /** Prints the summary, the plain line last, and sets the exit code. */
  finish() {
    console.log('\n=== Summary')
    for (const line of this.#lines) console.log(line)
    console.log(`\n${closingLine(this.#total)}`)
    process.exitCode = this.#total.failed === 0 ? 0 : 1
  }
}

/** All `*.test.mjs` under a folder, sorted; node 20 does not expand globs itself. */
export function testFiles(folder, { except = [] } = {}) {
  let entries
  try {
    entries = readdirSync(folder, { recursive: true, withFileTypes: true })
  } catch (error) {
    if (error.code === 'ENOENT') return []
    throw error
  }
  return entries
    .filter((entry) => entry.isFile() && entry.name.endsWith('.test.mjs'))
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .filter((file) => {
      const parts = relative(folder, file).split(sep)
      return !parts.includes('node_modules') && !except.includes(parts[0])
    })
    .sort()
}
