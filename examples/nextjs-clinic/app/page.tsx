import { MessageList } from './components/message-list'
import { VisitForm } from './components/visit-form'

export default function Page() {
  return (
    <main>
      <header className="masthead">
        <h1>School clinic</h1>
        <p>A visit is saved at once. Its HL7 messages leave in the background, and each one’s way is shown here.</p>
      </header>
      <div className="columns">
        <VisitForm />
        <MessageList />
      </div>
    </main>
  )
}
