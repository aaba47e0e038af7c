/** `resend`: delivered messages are sent again. */
import { examples } from '../command.js'
import { steering } from '../steer.js'

export const resend = examples(
  steering({
    name: 'resend',
    description:
      'Send delivered messages again, byte for byte, marked as possible duplicates. What later messages of its lane have overtaken is left, and said.',
    done: 'to be sent once more',
    applies: ['SENT', 'ACKNOWLEDGED'],
    confirmAbove: 100,
    overtaking: true,
    run: (outbox, filter, by, options) => outbox.resendMessages(filter, by, options),
  }),
  'resend 0193e5a0-0000-7000-8000-000000000000 --reason "the receiver lost it"',
  'resend --destination malaffi --from 2026-01-31 --to 2026-02-01 --dry-run',
)
