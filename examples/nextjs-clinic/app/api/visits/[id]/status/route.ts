import { getAttempts, getMessage } from 'hl7-outbox'
import { database } from '../../../../../lib/db/database'
import { answering, isUuid, notFound } from '../../../../../lib/http'
import { messagesOfVisit, type MessageSummary } from '../../../../../lib/outbox/message-row'

export const runtime = 'nodejs'
export const dynamic = 'force-dynamic'

/** The way of a visit's messages so far, each with every attempt to deliver it. */
export function GET(_request: Request, { params }: { params: { id: string } }): Promise<Response> {
  return answering(async () => {
    if (!isUuid(params.id)) return notFound()
    const rows = await messagesOfVisit(await database(), params.id)
    if (rows.length === 0) return notFound()
    return Response.json({ visitId: params.id, messages: await Promise.all(rows.map(statusOf)) })
  })
}

async function statusOf(row: MessageSummary) {
  const { messageType, controlId, outboxId, errorCode } = row
  if (outboxId === null) return { messageType, controlId, status: row.refused ? 'REFUSED' : 'NOT_QUEUED', errorCode, attempts: [] }
  const [message, attempts] = await Promise.all([getMessage(outboxId), getAttempts(outboxId)])
  return { messageType, controlId, id: outboxId, status: message?.status ?? 'UNKNOWN', message, attempts }
}
