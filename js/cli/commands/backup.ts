/** `backup`: a copy of the outbox, while applications use it. */
import { backupFile } from '../../facade/index.js'
import { command, ends, examples } from '../command.js'
import { messages, size } from '../numbers.js'
import { configuration, existing } from '../open.js'
import { clean, out, outJson } from '../output.js'
import { EXIT, UsageError } from '../usage.js'

export const backup = examples(
  command('backup')
    .description('Copy the outbox while applications use it. The copy is checked and on disk when the command ends.')
    .argument('<file>', 'the name of the copy')
    .option('--force', 'replace a copy of that name')
    .action(
      ends(async (to, options) => {
        if (to === '') throw new UsageError('backup takes the name of the copy')
        // The file is not opened as an application would: a copy before an update must not be migrated by it.
        const made = await backupFile(existing(configuration(options)), to, { replace: options.force === true })
        await (options.json === true
          ? outJson({ path: to, ...made })
          : out(`${clean(to)}: ${messages(made.messages)}, ${size(made.bytes)}, checked and on disk after ${made.durationMs} ms\n`))
        return EXIT.ok
      }),
    ),
  'backup /var/backups/clinic/outbox.db --force',
)
