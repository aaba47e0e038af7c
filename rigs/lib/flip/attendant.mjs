// The process that opens damaged files, and the news that it ended.
import { spawn } from 'node:child_process'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

import { environment } from '../../../__test__/support/processes.mjs'

const child = join(dirname(fileURLToPath(import.meta.url)), 'child.mjs')
const JOB_MS_MAX = 90_000

/** `attend(job)` resolves with what the child saw, or with `{ died }` when the process ended or hung over it. */
export function startAttendant() {
  let running
  let jobs = 0
  const start = () => {
    const spawned = spawn(process.execPath, [child], { env: environment(), stdio: ['pipe', 'pipe', 'pipe'] })
    const waiting = new Map()
    const attendant = { spawned, waiting, alarms: 0, err: '' }
    spawned.stdin.on('error', () => undefined)
    createInterface({ input: spawned.stdout }).on('line', (line) => {
      const answer = JSON.parse(line)
      waiting.get(answer.n)?.(answer)
    })
    createInterface({ input: spawned.stderr }).on('line', (line) => {
      if (line.includes('a stored message is damaged; it is not sent')) attendant.alarms += 1
      attendant.err = (attendant.err + line + '\n').slice(-4_000)
    })
    spawned.once('close', (code, signal) => {
      if (running === attendant) running = undefined
      for (const tell of waiting.values()) tell({ died: `${signal ?? code}\n${attendant.err}` })
    })
    return attendant
  }
  return {
    attend(job) {
      running ??= start()
      const { spawned, waiting } = running
      const n = ++jobs
      return new Promise((resolve) => {
        const late = setTimeout(() => spawned.kill('SIGKILL'), JOB_MS_MAX)
        waiting.set(n, (answer) => {
          clearTimeout(late)
          waiting.delete(n)
          resolve(answer)
        })
        spawned.stdin.write(`${JSON.stringify({ n, ...job })}\n`)
      })
    },
    alarms: () => running?.alarms ?? 0,
    async stop() {
      const spawned = running?.spawned
      if (spawned === undefined) return
      await new Promise((resolve) => {
        spawned.once('close', resolve)
        spawned.kill('SIGKILL')
      })
    },
  }
}
