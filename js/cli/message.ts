/** A message in words. */
import type { Message } from '../facade/index.js'

export function statusColour({ status, possibleDuplicate, warning }: Message): 'red' | 'green' | 'yellow' | 'dim' | undefined {
  if (status === 'FAILED') return 'red'
  if (status === 'CANCELLED') return 'dim'
  if (status === 'HELD' || possibleDuplicate || warning !== null) return 'yellow'
  return status === 'PENDING' ? undefined : 'green'
}

/** Its tags in a line of many messages: without its trace, which is long and says nothing to the eye. */
export function labels(tags: Record<string, string>): string[] {
  return Object.entries(tags).flatMap(([key, value]) => (key === 'traceparent' ? [] : [`${key}=${value}`]))
}
