import { getAttempts } from 'hl7-outbox'
import { answering, notFound } from '../../../../lib/http'
import { findMessage } from '../../../../lib/outbox/find-message'

export const runtime = 'nodejs'
export const dynamic = 'force-dynamic'

/** One message with every attempt to deliver it. */
export function GET(_request: Request, { params }: { params: { id: string } }): Promise<Response> {
  return answering(async () => {
    const message = await findMessage(params.id)
    return message === null ? notFound() : Response.json({ message, attempts: await getAttempts(message.id) })
  })
}
