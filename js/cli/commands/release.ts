/** `release`: held messages are sent. */
import { examples } from '../command.js'
import { steering } from '../steer.js'

export const release = examples(
  steering({
    name: 'release',
    description:
      'Send what is held, in its old place of the lane. What later messages of its lane have overtaken is left, and said.',
    done: 'released',
    applies: 'HELD',
    confirmAbove: 100,
    overtaking: true,
    run: (outbox, filter, by, options) => outbox.releaseMessages(filter, by, options),
  }),
  'release --tag schoolId=12',
)
