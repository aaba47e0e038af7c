/** `purge`: removes content for good. */
import { examples } from '../command.js'
import { steering } from '../steer.js'

export const purge = examples(
  steering({
    name: 'purge',
    description:
      'Remove content, attempts, answers and labels for good; what was not delivered is cancelled first. Status and MSH-10 stay known. What is in flight is left, and said. A filter is always confirmed.',
    done: 'purged',
    applies: ['PENDING', 'HELD', 'SENT', 'ACKNOWLEDGED', 'FAILED', 'CANCELLED'],
    confirmAbove: 0,
    run: (outbox, filter, by, options) => outbox.purgeMessages(filter, by, options),
  }),
  'purge --status ACKNOWLEDGED --to 2026-01-01 --dry-run',
  'purge --status ACKNOWLEDGED --to 2026-01-01 --yes --reason "kept by the clinic’s own record"',
)
