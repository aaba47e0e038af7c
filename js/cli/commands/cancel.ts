/** `cancel`: withdraws what was not delivered. */
import { examples } from '../command.js'
import { steering } from '../steer.js'

export const cancel = examples(
  steering({
    name: 'cancel',
    description:
      'Withdraw what was not delivered. One in flight is withdrawn unless the receiver accepts it. retry takes it back.',
    done: 'withdrawn',
    applies: ['PENDING', 'HELD', 'FAILED'],
    confirmAbove: 100,
    run: (outbox, filter, by, options) => outbox.cancelMessages(filter, by, options),
  }),
  'cancel 0193e5a0-0000-7000-8000-000000000000 --reason "entered for the wrong patient"',
  'cancel --tag visitId=4711 --status PENDING,HELD --dry-run',
)
