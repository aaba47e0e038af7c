/** `check`: what is wrong with messages in files, before anybody sends them. Opens no outbox. */
import { checkHl7, type Finding } from '../../facade/index.js'
import { ends, examples, Option, plain } from '../command.js'
import { bytes } from '../open.js'
import { clean, out, outJson } from '../output.js'
import { EXIT } from '../usage.js'
import { several } from '../values.js'

export const check = examples(
  plain('check')
    .description('Say what is wrong with messages in files, one each, before anybody sends them. Opens no outbox. Nothing of a message is printed. Ends with 1 if an error was found; warnings pass.')
    .argument('<file...>', 'files, or - for the standard input')
    .addOption(new Option('--profile <name>', 'whose rules').choices(['hl7', 'malaffi'] as const).default('hl7' as const))
    .option('--doctor-id <id>', 'an id that the receiver knows; may be repeated', several)
    .action(
      ends(async (files, options) => {
        const rules = { profile: options.profile, ...(options.doctorId === undefined ? {} : { doctorIds: options.doctorId }) }
        // All are read before anything is said: a misspelt name does nothing.
        const read = files.map((file) => ({ file, message: bytes(file) }))
        const checked = read.map(({ file, message }) => ({ file, findings: checkHl7(message, rules) }))
        await (options.json === true ? outJson(checked) : out(checked.map(told).join('')))
        return checked.some(({ findings }) => findings.some(({ severity }) => severity === 'error')) ? EXIT.failed : EXIT.ok
      }),
    ),
  'check message.hl7 --profile malaffi --doctor-id GD0000 --doctor-id GD0001',
  'check - --json < message.hl7',
)

function told({ file, findings }: { file: string; findings: Finding[] }): string {
  const name = clean(file)
  if (findings.length === 0) return `${name}: nothing found\n`
  return findings.map(({ severity, code, message }) => `${name}: ${severity} ${code} ${message}\n`).join('')
}
