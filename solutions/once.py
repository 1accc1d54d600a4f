"""Exercise 12: told at least once, done once."""


class Answer:
    def __init__(self, say):
        self.say = say
        self.answers = {}

    def handle(self, client, number, text):
        if (client, number) not in self.answers:
            self.answers[client, number] = self.say(text)
        return self.answers[client, number]
