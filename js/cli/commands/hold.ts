/** `hold`: puts waiting messages aside. */
import { examples } from '../command.js'
import { steering } from '../steer.js'

export const hold = examples(
  steering({
    name: 'hold',
    description:
      'Put waiting messages aside, outside their lanes, until release. What is in flight is left, and said.',
    done: 'held',
    applies: 'PENDING',
    confirmAbove: 100,
    run: (outbox, filter, by, options) => outbox.holdMessages(filter, by, options),
  }),
  'hold --tag schoolId=12 --reason "the school asked for a stop"',
)
