import { oncePerProcess } from '../once-per-process'
import { sweepQuietly } from './sweep'

const MINUTE_MS = 60_000

/** At boot, then a minute after each pass has ended, so that passes never overlap. The timer keeps no process alive. */
export function startSweeping(): void {
  oncePerProcess('sweep', () => {
    const pass = async () => {
      await sweepQuietly()
      setTimeout(() => void pass(), MINUTE_MS).unref()
    }
    void pass()
    return true
  })
}
