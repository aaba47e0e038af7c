// The two measures of the JS thread: the CPU time it spent, and the longest time in which it did not come round.
import { readFileSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'

/** CPU time of the main thread in µs; null where neither Node nor the system tells it. */
export function threadCpuUs() {
  if (typeof process.threadCpuUsage === 'function') {
    const { user, system } = process.threadCpuUsage()
    return user + system
  }
  try {
    // The main thread's id is the process's. The first figure is its time on a processor, in ns.
    return Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'utf8').split(' ')[0]) / 1e3
  } catch {
    return null
  }
}

const RESOLUTION_MS = 1

/**
 * Watches the event loop until `stop()`. Two ways at once, and the longer counts: Node's own histogram (a timer of 1 ms,
 * which is taken off), and a setImmediate that comes round in every turn.
 */
export function watchLoop() {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  let [last, longest, turns, running] = [performance.now(), 0, 0, true]
  const turn = () => {
    const now = performance.now()
    longest = Math.max(longest, now - last)
    last = now
    turns++
    if (running) setImmediate(turn)
  }
  histogram.enable()
  setImmediate(turn)
  return () => {
    running = false
    histogram.disable()
    longest = Math.max(longest, performance.now() - last)
    const timerMs = Math.max(0, histogram.max / 1e6 - RESOLUTION_MS)
    return { longestMs: Math.max(longest, timerMs), immediateMs: longest, timerMs, timerP99Ms: histogram.percentile(99) / 1e6, turns }
  }
}
