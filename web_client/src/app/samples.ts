/** Short sample texts. Those without a source were written for this page and may be used freely. */

export interface Sample {
  readonly id: string;
  readonly title: string;
  readonly text: string;
  /** The text to compare it with: the other half of a minimal pair. */
  readonly compare?: string;
}

export const samples: readonly Sample[] = [
  {
    id: "prose",
    title: "English prose",
    // Charles Dickens, A Tale of Two Cities, 1859 (public domain): its first lines.
    text: `It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of foolishness, it was the epoch of belief, it was the epoch of incredulity, it was the season of Light, it was the season of Darkness, it was the spring of hope, it was the winter of despair, we had everything before us, we had nothing before us.
`,
  },
  {
    id: "dialogue",
    title: "Dialogue",
    // Lewis Carroll, Alice's Adventures in Wonderland, 1865 (public domain): from chapter VI.
    text: `“Would you tell me, please, which way I ought to go from here?”

“That depends a good deal on where you want to get to,” said the Cat.

“I don’t much care where—” said Alice.

“Then it doesn’t matter which way you go,” said the Cat.
`,
  },
  {
    id: "code",
    title: "Code",
    text: `from collections import Counter


def most_common_words(path, count=10):
    """The most common words of a text file, as (word, times)."""
    words = Counter()
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            # Case does not matter, punctuation at the edges neither.
            words.update(word.strip(".,;:!?\\"'()").lower() for word in line.split())
    del words[""]
    return words.most_common(count)


if __name__ == "__main__":
    for word, times in most_common_words("notes.txt"):
        print(f"{times:6d}  {word}")
`,
  },
  {
    id: "numbers",
    title: "Numbers and dates",
    text: `On Monday, 4 March 1867, at 7:45 in the morning, 1,248 people lived in the town; by 2001-09-30 there were 96,310.
The house at 17 King Street cost £350 in 1790, $12.5 million in 2019, and 3.2 % more a year later.
1, 2, 3, 5, 8, 13, 21, 34. One, two, three. First, second, third. I, II, III, IV. 6.02e23, -273.15, 0xFF, 1/3.
`,
  },
  {
    id: "languages",
    title: "Many languages",
    text: `The old cat sleeps on the warm stone.
Le vieux chat dort sur la pierre chaude.
Die alte Katze schläft auf dem warmen Stein.
El gato viejo duerme sobre la piedra caliente.
Старый кот спит на тёплом камне.
Η γριά γάτα κοιμάται πάνω στη ζεστή πέτρα.
老猫睡在温暖的石头上。
年老いた猫が温かい石の上で眠っている。
늙은 고양이가 따뜻한 돌 위에서 잔다.
القطة العجوز تنام على الحجر الدافئ.
החתול הזקן ישן על האבן החמה.
बूढ़ी बिल्ली गर्म पत्थर पर सोती है।
`,
  },
  {
    id: "agreement",
    title: "Minimal pair: number agreement",
    text: "The key to the old cabinets in the hall is on the table, and it has been there since Monday.\n",
    compare: "The keys to the old cabinet in the hall are on the table, and they have been there since Monday.\n",
  },
  {
    id: "names",
    title: "Minimal pair: who gave what to whom",
    text: "When Anna and Peter met at the station, Peter handed the ticket to Anna.\n",
    compare: "When Anna and Peter met at the station, Anna handed the ticket to Peter.\n",
  },
];
