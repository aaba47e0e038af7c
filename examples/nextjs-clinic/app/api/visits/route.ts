import { answering, BadRequest, readJson } from '../../../lib/http'
import { reportVisit } from '../../../lib/visits/report'
import { saveVisit } from '../../../lib/visits/save'
import { fieldErrors, visitSchema } from '../../../lib/visits/schema'

export const runtime = 'nodejs'
export const dynamic = 'force-dynamic'

/** Saves a visit. Answers when it is in the database and its messages are on disk; nothing here waits for the receiver. */
export function POST(request: Request): Promise<Response> {
  return answering(async () => {
    const parsed = visitSchema.safeParse(await readJson(request))
    if (!parsed.success) throw new BadRequest(400, { error: 'INVALID', fields: fieldErrors(parsed.error) })
    const saved = await saveVisit(parsed.data)
    if (saved === null) throw new Error('a new visit always exists')
    return Response.json(await reportVisit(saved), { status: 201 })
  })
}
