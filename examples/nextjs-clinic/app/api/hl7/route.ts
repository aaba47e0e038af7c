import { getStats, listMessages, type MessageFilter, type Status } from 'hl7-outbox'
import { database } from '../../../lib/db/database'
import { answering, BadRequest } from '../../../lib/http'
import { countUnmarked } from '../../../lib/outbox/message-row'

export const runtime = 'nodejs'
export const dynamic = 'force-dynamic'

const STATUSES: readonly string[] = ['PENDING', 'HELD', 'SENT', 'ACKNOWLEDGED', 'FAILED', 'CANCELLED']

/** The messages, newest first, a page at a time: ?status=FAILED&schoolId=…&cursor=… */
export function GET(request: Request): Promise<Response> {
  return answering(async () => {
    const query = new URL(request.url).searchParams
    const filter: MessageFilter & { cursor?: string } = {}
    const status = query.get('status')
    if (status !== null) {
      if (!STATUSES.includes(status)) throw new BadRequest(400, { error: 'INVALID', fields: [{ field: 'status', message: STATUSES.join(', ') }] })
      filter.status = status as Status
    }
    const schoolId = query.get('schoolId')
    if (schoolId !== null) filter.tags = { schoolId }
    const cursor = query.get('cursor')
    if (cursor !== null) filter.cursor = cursor

    const [page, stats, unmarked] = await Promise.all([
      listMessages({ ...filter, limit: 50, order: 'newest' }).catch(refuseCursor),
      getStats(),
      database().then(countUnmarked),
    ])
    return Response.json({ ...page, byStatus: stats.byStatus, notQueued: unmarked })
  })
}

function refuseCursor(error: { code?: string }): never {
  if (error.code === 'ERR_CURSOR') throw new BadRequest(400, { error: 'INVALID', fields: [{ field: 'cursor', message: 'not one of ours' }] })
  throw error
}
