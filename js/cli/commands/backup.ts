/** `backup`: a copy of the outbox, while applications use it. */
import { backupFile } from '../../facade/index.js'
import { configuration, existing } from '../open.js'
import { only, type CommandLine } from '../options.js'
import { EXIT, UsageError } from '../usage.js'
import { messages, size } from '../words.js'

export async function backup(line: CommandLine): Promise<number> {
  only(line, ['force'], 1)
  const to = line.words[0]
  if (to === undefined || to === '') throw new UsageError('backup takes the name of the copy')
  // The file is not opened as an application would: a copy before an update must not be migrated by it.
  const made = await backupFile(existing(configuration(line.values)), to, { replace: line.values.force === true })
  process.stdout.write(
    line.values.json === true
      ? `${JSON.stringify({ path: to, ...made })}\n`
      : `${to}: ${messages(made.messages)}, ${size(made.bytes)}, checked and on disk after ${made.durationMs} ms\n`,
  )
  return EXIT.ok
}
