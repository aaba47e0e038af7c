// The end of a round: everything is delivered, and the door is asked what it says of each message.

/** Resolves when nothing waits any more, as `application` sees it; rejects after `msMax`. */
export async function untilDelivered(application, { msMax = 60_000, signal } = {}) {
  const deadline = performance.now() + msMax
  let last
  while (performance.now() < deadline) {
    signal?.throwIfAborted()
    last = await application.ask('getStats')
    if (last.value?.byStatus.PENDING === 0) return last.value
    if (last.error === 'GONE') throw new Error(`the application ended\n${application.err}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  throw new Error(`not delivered after ${msMax / 1000} s: ${JSON.stringify(last)}\n${application.err}`)
}

/** Control id -> `{ status, possibleDuplicate }` of all messages. */
export async function statesOf(application) {
  const states = new Map()
  for (let cursor; cursor !== null; ) {
    const { value, error, message } = await application.ask('listMessages', { limit: 1_000, ...(cursor === undefined ? {} : { cursor }) })
    if (value === undefined) throw new Error(`listMessages: ${error} ${message}`)
    for (const { controlId, status, possibleDuplicate } of value.items) states.set(controlId, { status, possibleDuplicate })
    cursor = value.nextCursor
  }
  return states
}
