/** `completions`: what a shell needs to complete the command line, from the declarations of the commands. */
import { Argument, ends, examples, plain } from '../command.js'
import { SHELLS, type Shell } from '../completions/index.js'
import { out } from '../output.js'
import { everything } from '../registry.js'
import { EXIT } from '../usage.js'

export const completions = examples(
  plain('completions')
    .description('Print the completions for a shell. They are made from the commands of this version: print them anew after an update.')
    .addArgument(new Argument('<shell>', 'whose').choices(Object.keys(SHELLS) as Shell[]))
    .action(
      ends(async (shell) => {
        await out(SHELLS[shell](await everything()))
        return EXIT.ok
      }),
    ),
  'completions bash > ~/.local/share/bash-completion/completions/hl7-outbox',
  'completions zsh > "${fpath[1]}/_hl7-outbox"',
  'completions fish > ~/.config/fish/completions/hl7-outbox.fish',
  'completions powershell >> $PROFILE',
)
