/** Looking into messages and answers: recorded before anything is shown, and no more often than a person reads. */
import { demand, Refusal, unknown, type Access } from './access.js'
import { contentOf, type Content } from './hl7.js'
import { malformed, optionalText, text } from './http.js'
import { visible } from './message.js'
import type { Surface } from './surface.js'

const MINUTE_MS = 60_000
const ACTORS_MAX = 1_000

/** How often each person looked within the last minute, in this process. */
export class Looks {
  readonly #times = new Map<string, number[]>()

  constructor(readonly perMinute: number) {}

  take(actor: string, now = performance.now()): void {
    const times = (this.#times.get(actor) ?? []).filter((at) => now - at < MINUTE_MS)
    const [oldest] = times
    if (times.length >= this.perMinute && oldest !== undefined) {
      const seconds = Math.ceil((oldest + MINUTE_MS - now) / 1_000)
      throw new Refusal(429, 'TOO_MANY_LOOKS', `at most ${this.perMinute} looks into messages a minute`, { 'retry-after': String(seconds) })
    }
    // Newly set is last: the one who has not looked for longest is forgotten first.
    this.#times.delete(actor)
    this.#times.set(actor, [...times, now])
    if (this.#times.size > ACTORS_MAX) this.#times.delete(this.#times.keys().next().value ?? '')
  }
}

export async function reveal(outbox: Surface, access: Access, looks: Looks, body: Record<string, unknown>): Promise<Content> {
  demand(access, 'reveal')
  const { id } = await visible(outbox, access, text(body, 'id'))
  const reason = optionalText(body, 'reason')
  const by = { actor: access.actor, ...(reason === undefined ? {} : { reason }) }
  const { attempt } = body
  if (attempt !== undefined && (!Number.isSafeInteger(attempt) || (attempt as number) < 1)) throw malformed('`attempt` must be a number')
  looks.take(access.actor)
  const bytes = attempt === undefined ? await outbox.getMessageContent(id, by) : await outbox.getAnswer(id, attempt as number, by)
  if (bytes === null) throw attempt === undefined ? unknown() : new Refusal(404, 'NO_ANSWER', 'nothing was answered to this attempt')
  return contentOf(bytes)
}
