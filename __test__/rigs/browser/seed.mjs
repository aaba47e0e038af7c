// An outbox with something of everything, every person in it invented; and with markup wherever a sender can put some.
import { join } from 'node:path'

import { controlId, hl7 } from '../../support/messages.mjs'
import { by, config, count, door, folder, reach } from '../../support/outbox.mjs'
import { receiver } from '../../support/receiver.mjs'

export const SCRIPT = `<script>alert(1)</script><img src=x onerror=alert(1)>`
const REFUSE = { type: 'ae', errors: [{ code: '103', location: 'PV1^1^7', applicationCode: '1014' }] }

/** `{ outbox, path, file, shown, ids }`; the receiver answers each as its control id says. */
export async function seeded(t) {
  const shown = await receiver(t, {
    rules: [
      { when: { controlId: 'BAD', first: 1 }, answer: REFUSE },
      { when: { controlId: 'WRONG' }, answer: REFUSE },
      { when: { controlId: 'BARE' }, answer: { type: 'status', status: 200 } },
    ],
  })
  const path = join(folder(t), 'outbox.db')
  const settings = { ...config(path, shown.url), defaultDestination: 'malaffi' }
  settings.destinations.registry = { url: shown.url, enabled: false }
  const outbox = await door.Outbox.open(settings)
  t.after(() => outbox.close({ timeoutMs: 0 }))
  const send = async (control, options = {}, more = {}) => (await outbox.enqueueHl7(hl7({ control, patient: `P-${control}`, ...more }), options)).id
  const tags = { schoolId: 'S-1' }
  const ids = {
    bad: await send('BAD', { tags }, { note: SCRIPT, arabic: true }),
    wrong: await send('WRONG', { tags: { schoolId: SCRIPT } }, { note: SCRIPT }),
    bare: await send('BARE', { tags }),
    held: await send('HELD', { hold: true, tags }, { type: 'ORU^R01', note: SCRIPT }),
    first: await send('FIRST', { destination: 'registry' }, { patient: 'P-LANE' }),
    second: await send('SECOND', { destination: 'registry' }, { patient: 'P-LANE' }),
  }
  for (let n = 0; n < 70; n++) await send(controlId('GOOD'), { tags }, { arabic: n % 2 === 0 })
  await Promise.all([reach(outbox, ids.bad, 'FAILED'), reach(outbox, ids.wrong, 'FAILED'), reach(outbox, ids.bare, 'SENT')])
  await count(outbox, 'ACKNOWLEDGED', 70)
  await outbox.cancelMessages({ controlIds: ['SECOND'] }, by)
  await outbox.retryMessages({ controlIds: ['SECOND'] }, by)
  return { outbox, path, settings, shown, ids }
}
