/** `check`: what is wrong with messages in files, before anybody sends them. Opens no outbox. */
import { checkHl7, type Finding } from '../../facade/index.js'
import { ends, examples, Option, plain } from '../command.js'
import { split } from '../hl7/split.js'
import { bytes } from '../open.js'
import { clean, out, outJson } from '../output.js'
import { EXIT } from '../usage.js'
import { several } from '../values.js'

export const check = examples(
  plain('check')
    .description('Say what is wrong with the messages in files, before anybody sends them. Opens no outbox. Nothing of a message is printed. Ends with 1 if an error was found; warnings pass.')
    .argument('<file...>', 'files, or - for the standard input')
    .addOption(new Option('--profile <name>', 'whose rules').choices(['hl7', 'malaffi'] as const).default('hl7' as const))
    .option('--doctor-id <id>', 'an id that the receiver knows; may be repeated', several)
    .action(
      ends(async (files, options) => {
        const rules = { profile: options.profile, ...(options.doctorId === undefined ? {} : { doctorIds: options.doctorId }) }
        // All are read before anything is said: a misspelt name does nothing.
        const read = files.map((file) => ({ file, pieces: split(bytes(file)) }))
        const checked = read.flatMap(({ file, pieces }) => pieces.map((piece) => ({
          file,
          ...(pieces.length > 1 ? { position: piece.position } : {}),
          findings: piece.kind === 'message' ? checkHl7(piece.bytes, rules) : [cut(piece)],
        })))
        await (options.json === true ? outJson(checked) : out(checked.map(told).join('')))
        return checked.some(({ findings }) => findings.some(({ severity }) => severity === 'error')) ? EXIT.failed : EXIT.ok
      }),
    ),
  'check message.hl7 --profile malaffi --doctor-id GD0000 --doctor-id GD0001',
  'check - --json < message.hl7',
)

/** What is no whole message, in the form of a finding. */
function cut({ code, what }: { code: string; what: string }): Finding {
  return { severity: 'error', code, segment: '', message: what }
}

function told({ file, position, findings }: { file: string; position?: number; findings: Finding[] }): string {
  const name = `${clean(file)}${position === undefined ? '' : `:${position}`}`
  if (findings.length === 0) return `${name}: nothing found\n`
  return findings.map(({ severity, code, message }) => `${name}: ${severity} ${code} ${message}\n`).join('')
}
