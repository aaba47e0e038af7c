/** `retry`: dead letters, cancelled and waiting messages are sent again. */
import { ends, examples } from '../command.js'
import { filterOf } from '../filter.js'
import { steer, steering, type Steering } from '../steer.js'
import { UsageError } from '../usage.js'

const RETRY: Steering = {
  name: 'retry',
  description:
    'Send again: dead letters and cancelled messages in their old place of the lane, waiting ones at once. A filter without --status means dead letters. What later messages of its lane have overtaken is left, and said.',
  done: 'to be sent again',
  applies: 'FAILED',
  confirmAbove: 100,
  overtaking: true,
  run: (outbox, filter, by, options) => outbox.retryMessages(filter, by, options),
}

export const retry = examples(
  steering(RETRY)
    .option('--all-failed', 'the same as --status FAILED')
    .option('--all-pending', 'the same as --status PENDING: due now, and a resting destination is probed now')
    .action(
      ends((ids, options) => {
        const all = options.allFailed === true ? 'FAILED' : options.allPending === true ? 'PENDING' : undefined
        if (all === undefined) return steer(RETRY, ids, options)
        if (ids.length > 0 || options.status !== undefined || (options.allFailed === true && options.allPending === true)) {
          throw new UsageError('--all-failed and --all-pending stand instead of ids and --status')
        }
        return steer(RETRY, ids, options, { ...filterOf(ids, options), status: all })
      }),
    ),
  'retry 0193e5a0-0000-7000-8000-000000000000',
  'retry --all-failed --destination malaffi --reason "doctor ids registered"',
  'retry --code ACK_AE_101 --from 2d --dry-run',
)
