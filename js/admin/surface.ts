/** What the page uses of an outbox: that of the process, or one that the host names. */
import * as facade from '../facade/index.js'

export type Surface = Pick<
  facade.Outbox,
  | 'getMessage'
  | 'getMessageContent'
  | 'getAttempts'
  | 'getAnswer'
  | 'listMessages'
  | 'getStats'
  | 'getHealth'
  | 'retryMessages'
  | 'cancelMessages'
  | 'holdMessages'
  | 'releaseMessages'
  | 'resendMessages'
  | 'purgeMessages'
  | 'listRefusals'
  | 'updateRefusal'
  | 'replaceMessage'
  | 'pauseDestination'
  | 'resumeDestination'
  | 'onStatusChange'
>

export const ofProcess: Surface = facade
