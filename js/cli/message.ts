/** A message in words. */
import type { Message } from '../facade/index.js'

export function statusColour({ status, possibleDuplicate, warning }: Message): 'red' | 'green' | 'yellow' | 'dim' | undefined {
  if (status === 'FAILED') return 'red'
  if (status === 'CANCELLED') return 'dim'
  if (status === 'HELD' || possibleDuplicate || warning !== null) return 'yellow'
  return status === 'PENDING' ? undefined : 'green'
}
