import { retryMessages } from 'hl7-outbox'
import { z } from 'zod'
import { answering, BadRequest, notFound, readJson } from '../../../../../lib/http'
import { log } from '../../../../../lib/log'
import { findMessage } from '../../../../../lib/outbox/find-message'
import { fieldErrors } from '../../../../../lib/visits/schema'

export const runtime = 'nodejs'
export const dynamic = 'force-dynamic'

// The outbox records who asked. Here the caller says so; an application with a login takes it from the session instead.
const bySchema = z.object({ actor: z.string().trim().min(1, 'is required').max(80), reason: z.string().trim().max(200).optional() })

/** Send it again now: a dead letter gets a fresh start, a waiting message an immediate try. */
export function POST(request: Request, { params }: { params: { id: string } }): Promise<Response> {
  return answering(async () => {
    const by = bySchema.safeParse(await readJson(request))
    if (!by.success) throw new BadRequest(400, { error: 'INVALID', fields: fieldErrors(by.error) })
    if ((await findMessage(params.id)) === null) return notFound()

    const { actor, reason } = by.data
    const result = await retryMessages({ ids: [params.id] }, reason === undefined ? { actor } : { actor, reason })
    log('retry asked for', { actor, count: result.count })
    const code = result.unchanged[0]?.code
    // What did not change has a reason, such as ERR_IN_FLIGHT or OVERTAKEN: a conflict with the message's state, no error of ours.
    return result.count === 1 ? Response.json({ retried: true }) : Response.json({ retried: false, code }, { status: 409 })
  })
}
