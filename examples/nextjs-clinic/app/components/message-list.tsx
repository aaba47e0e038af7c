'use client'

import type { Message } from 'hl7-outbox'
import { MessageRow } from './message-row'
import { useMessages, type MessagesPage } from './use-messages'

export function MessageList() {
  const { page, failed, refresh } = useMessages()
  return (
    <section className="card" aria-labelledby="messages-heading">
      <h2 id="messages-heading">Messages</h2>
      <p className="summary" role="status">
        {failed ? 'The outbox does not answer.' : page === null ? 'Loading…' : summary(page)}
      </p>
      {page !== null && page.items.length > 0 && <Table messages={page.items} onChanged={refresh} />}
      {page !== null && page.items.length === 0 && <p>No message yet. Save a visit, and it appears here.</p>}
    </section>
  )
}

function Table({ messages, onChanged }: { messages: Message[]; onChanged: () => Promise<void> }) {
  return (
    <div className="scroll">
      <table>
        <thead>
          <tr>
            <th scope="col">Status</th>
            <th scope="col">Type</th>
            <th scope="col">Control id</th>
            <th scope="col">School</th>
            <th scope="col">Tries</th>
            <th scope="col">Saved</th>
            <th scope="col">
              <span className="hidden">Action</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {messages.map((message) => (
            <MessageRow key={message.id} message={message} onChanged={onChanged} />
          ))}
        </tbody>
      </table>
    </div>
  )
}

function summary({ byStatus, notQueued }: MessagesPage): string {
  const parts = Object.entries(byStatus)
    .filter(([, count]) => count > 0)
    .map(([status, count]) => `${count} ${status.toLowerCase()}`)
  if (notQueued.waiting > 0) parts.push(`${notQueued.waiting} not queued yet`)
  if (notQueued.refused > 0) parts.push(`${notQueued.refused} refused by the outbox`)
  return parts.join(' · ')
}
