import { answering, BadRequest, isUuid, notFound, readJson } from '../../../../lib/http'
import { reportVisit } from '../../../../lib/visits/report'
import { saveVisit } from '../../../../lib/visits/save'
import { fieldErrors, visitSchema } from '../../../../lib/visits/schema'

export const runtime = 'nodejs'
export const dynamic = 'force-dynamic'

/** Corrects a visit: the receiver gets ADT^A08, after everything that was reported about this patient before. */
export function PUT(request: Request, { params }: { params: { id: string } }): Promise<Response> {
  return answering(async () => {
    if (!isUuid(params.id)) return notFound()
    const parsed = visitSchema.safeParse(await readJson(request))
    if (!parsed.success) throw new BadRequest(400, { error: 'INVALID', fields: fieldErrors(parsed.error) })
    const saved = await saveVisit(parsed.data, params.id)
    return saved === null ? notFound() : Response.json(await reportVisit(saved))
  })
}
