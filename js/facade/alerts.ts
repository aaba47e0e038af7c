/** The application's own function for alerts: one at a time, claimed from the file, so that one process of a cluster gets each. */
import type { Alert } from '../../index.js'
import type { NativeOutbox } from './native.js'

export type AlertListener = (alert: Alert) => unknown

interface Claimed {
  n: number
  tries: number
  body: string
}

/** How long the listener may take, in milliseconds: as long as its claim holds. */
const TOLD_MS_MAX = 120_000

/** Hands alerts to a listener. One that throws or rejects is told the alert again later. */
export class AlertTeller {
  readonly #native: NativeOutbox
  readonly #listener: AlertListener
  #rung = false
  #busy = false

  constructor(native: NativeOutbox, listener: AlertListener) {
    this.#native = native
    this.#listener = listener
  }

  /** There are alerts to be claimed. */
  ring(): void {
    this.#rung = true
    if (this.#busy) return
    this.#busy = true
    const ended = (): void => {
      this.#busy = false
    }
    this.#tell().then(ended, ended)
  }

  async #tell(): Promise<void> {
    try {
      while (this.#rung) {
        this.#rung = false
        for (;;) {
          const json = await this.#native.claimAlert()
          if (json === null) break
          const { n, tries, body } = JSON.parse(json) as Claimed
          const taken = await this.#taken(JSON.parse(body) as Alert)
          await this.#native.alertTold(n, tries, taken)
        }
      }
    } catch {
      // The outbox was closed meanwhile, or its disk failed. What was not told is told by whoever opens it next.
    }
  }

  async #taken(alert: Alert): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined
    try {
      // One that never ends must not keep later alerts from the application.
      const late = new Promise<never>((_, reject) => {
        timer = setTimeout(() => {
          reject(new Error(`alerts.onAlert did not end within ${TOLD_MS_MAX / 1_000} s`))
        }, TOLD_MS_MAX)
        timer.unref()
      })
      await Promise.race([this.#listener(alert), late])
      return true
    } catch (error) {
      const detail = error instanceof Error ? (error.stack ?? error.message) : String(error)
      process.emitWarning('alerts.onAlert failed; the alert is told again later', { code: 'HL7_OUTBOX_LISTENER', detail })
      return false
    } finally {
      clearTimeout(timer)
    }
  }
}
