/** `replace`: a corrected message takes the place of a refused or held one. */
import { ends, examples, recorded } from '../command.js'
import { by, bytes, withOutbox } from '../open.js'
import { clean, out, outJson } from '../output.js'
import { EXIT } from '../usage.js'

export const replace = examples(
  recorded('replace')
    .description('Store a corrected message, under an MSH-10 of its own, in the lane place of a FAILED or HELD one, which becomes CANCELLED. Tags and priority are taken over.')
    .argument('<id>', 'the id of the message that it replaces')
    .argument('<file>', 'the corrected message, or - for the standard input')
    .action(
      ends(async (id, file, options) => {
        const message = bytes(file)
        const stored = await withOutbox(options, (outbox) => outbox.replaceMessage(id, message, by(options)))
        await (options.json === true ? outJson(stored) : out(`${clean(id)} replaced by ${stored.id} (${stored.status})\n`))
        return EXIT.ok
      }),
    ),
  'replace 0193e5a0-0000-7000-8000-000000000000 corrected.hl7 --reason "doctor id corrected"',
)
