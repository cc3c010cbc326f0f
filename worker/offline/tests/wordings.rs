//! How people word the same few things: each description, of no case and in no example, gives exactly this result with
//! the stand-in tools. A search answers `found(…)`, the model `said(its prompt's last line)`.

mod python;

const SENTENCES: &str = "Alpha one? Beta two.";
const LINES: &str = "alpha\nbeta";
const PARAGRAPHS: &str = "alpha\n\nbeta";
const SEMICOLONS: &str = "alpha; beta";
const COMMAS: &str = "alpha, beta";

/// Description, input, result.
const WORDED: [(&str, &str, &str); 108] = [
    (
        "Search each distinct line once. Output one block per line, in first-seen order, as 'line: result'.",
        LINES,
        "alpha: found(alpha)\nbeta: found(beta)",
    ),
    (
        "For each sentence in the input, search the documents and then format the result as \"Q: [sentence]\\nA: [answer]\".",
        SENTENCES,
        "Q: Alpha one?\nA: found(Alpha one?)\n\nQ: Beta two.\nA: found(Beta two.)",
    ),
    (
        "For every line of the user's message, look up the answer in our documents, then format it as “{line} => {result}”.",
        LINES,
        "alpha => found(alpha)\nbeta => found(beta)",
    ),
    (
        "Take each item of the list, ask the model to explain it in one sentence, and then format as '- {item}: {explanation}'.",
        LINES,
        "- alpha: said(alpha)\n- beta: said(beta)",
    ),
    (
        "1. Split the text into sentences.\n2. For each one, search the company documents.\n3. Ask the model to summarise what was found in ten words.\n4. Format each result as \"• [sentence]: [summary]\" and return them all, one per line.",
        SENTENCES,
        "• Alpha one?: said(found(Alpha one?))\n• Beta two.: said(found(Beta two.))",
    ),
    (
        "Step 1: read every line.\nStep 2: search Paradigm for that line.\nStep 3: output \"Line: {line}\\nFound: {result}\".",
        LINES,
        "Line: alpha\nFound: found(alpha)\n\nLine: beta\nFound: found(beta)",
    ),
    (
        "First, split the user input into individual sentences. Then, for each sentence, call paradigm_search with the sentence as the query. Finally, format the output as:\n\"Question: {sentence}\nAnswer: {result}\"",
        SENTENCES,
        "Question: Alpha one?\nAnswer: found(Alpha one?)\n\nQuestion: Beta two.\nAnswer: found(Beta two.)",
    ),
    (
        "Loop over the sentences of the input. For each sentence, run a document search and format the answer as `[sentence] -> [answer]`.",
        SENTENCES,
        "Alpha one? -> found(Alpha one?)\nBeta two. -> found(Beta two.)",
    ),
    (
        "Go through the text sentence by sentence. Search the documents for each sentence. Format every pair as \"[sentence] | [result]\".",
        SENTENCES,
        "Alpha one? | found(Alpha one?)\nBeta two. | found(Beta two.)",
    ),
    (
        "I'd like a workflow that searches our knowledge base for each question in the input and then formats the results as \"Q: [question]\\nA: [result]\".",
        SENTENCES,
        "Q: Alpha one?\nA: found(Alpha one?)\n\nQ: Beta two.\nA: found(Beta two.)",
    ),
    (
        "For each line, search for it in the documents, then translate the answer to French, then format as \"[line] / [translation]\".",
        LINES,
        "alpha / said(found(alpha))\nbeta / said(found(beta))",
    ),
    (
        "For all items separated by semicolons, search the documents and format each as \"[item]: [result]\".",
        SEMICOLONS,
        "alpha: found(alpha)\nbeta: found(beta)",
    ),
    (
        "Please process every sentence: first search with paradigm_search, then have the model summarize the result, and at last format as \"S: [sentence] R: [summary]\".",
        SENTENCES,
        "S: Alpha one? R: said(found(Alpha one?))\nS: Beta two. R: said(found(Beta two.))",
    ),
    (
        "For each sentence, ask the language model whether it is a question or a statement, then format as \"[sentence] ([answer])\".",
        SENTENCES,
        "Alpha one? (said(Alpha one?))\nBeta two. (said(Beta two.))",
    ),
    (
        "Given a list of questions, one per line, search each of them and give the results back in the format \"[question]: [answer]\".",
        LINES,
        "alpha: found(alpha)\nbeta: found(beta)",
    ),
    (
        "For each line in the input: search, then format as \"Line: [line]; Result: [result]\". Join everything with newlines.",
        LINES,
        "Line: alpha; Result: found(alpha)\nLine: beta; Result: found(beta)",
    ),
    (
        "Each sentence should be searched in the documents and the result formatted as \"[sentence]\\n[result]\".",
        SENTENCES,
        "Alpha one?\nfound(Alpha one?)\n\nBeta two.\nfound(Beta two.)",
    ),
    (
        "Split the input by commas; for each part, query paradigm_search; then format as \"* [part]: [result]\".",
        COMMAS,
        "* alpha: found(alpha)\n* beta: found(beta)",
    ),
    (
        "Use paradigm_search on every line. Show \"Q: <line>\" followed by \"A: <result>\" on the next line.",
        LINES,
        "Q: alpha\nA: found(alpha)\n\nQ: beta\nA: found(beta)",
    ),
    (
        "For each paragraph, ask the model for a title, then search the documents for that title, and format as \"# [title]\\n[result]\".",
        PARAGRAPHS,
        "# said(alpha)\nfound(said(alpha))\n\n# said(beta)\nfound(said(beta))",
    ),
    (
        "For each item in the comma-separated list, find the relevant information in the documents then ask the model to rewrite it for a customer. Format as \"[item]: [rewritten text]\".",
        COMMAS,
        "alpha: said(found(alpha))\nbeta: said(found(beta))",
    ),
    (
        "Pour chaque phrase de l'entrée, effectue une recherche avec paradigm_search puis formate le résultat comme « Question : [phrase]\\nRéponse : [résultat] ».",
        SENTENCES,
        "Question : Alpha one?\nRéponse : found(Alpha one?)\n\nQuestion : Beta two.\nRéponse : found(Beta two.)",
    ),
    (
        "Pour chacune des lignes, rechercher dans les documents, puis afficher « {ligne} → {résultat} ».",
        LINES,
        "alpha → found(alpha)\nbeta → found(beta)",
    ),
    (
        "Pour chaque ligne du texte : 1) chercher la réponse dans la base documentaire ; 2) demander au modèle de la résumer ; 3) mettre en forme « [ligne] : [résumé] ».",
        LINES,
        "alpha : said(found(alpha))\nbeta : said(found(beta))",
    ),
    (
        "D'abord, découper le texte en phrases. Ensuite, pour chaque phrase, interroger Paradigm. Enfin, formater ainsi : \"Q : [phrase]\\nR : [réponse]\".",
        SENTENCES,
        "Q : Alpha one?\nR : found(Alpha one?)\n\nQ : Beta two.\nR : found(Beta two.)",
    ),
    (
        "Étape 1 : séparer l'entrée en lignes.\nÉtape 2 : pour chaque ligne, lancer une recherche documentaire.\nÉtape 3 : renvoyer \"Ligne : {ligne}\\nRésultat : {résultat}\".",
        LINES,
        "Ligne : alpha\nRésultat : found(alpha)\n\nLigne : beta\nRésultat : found(beta)",
    ),
    (
        "Prends chaque élément de la liste (séparés par des virgules), cherche-le dans les documents et formate la réponse en “[élément] : [réponse]”.",
        COMMAS,
        "alpha : found(alpha)\nbeta : found(beta)",
    ),
    (
        "Pour toute phrase saisie par l'utilisateur, faire une recherche puis traduire le résultat en anglais et le présenter sous la forme ‘[phrase] - [traduction]’.",
        SENTENCES,
        "Alpha one? - said(found(Alpha one?))\nBeta two. - said(found(Beta two.))",
    ),
    (
        "Je voudrais que pour chaque question tu cherches la réponse dans nos documents et que tu la présentes au format « Q : [question]\\nR : [réponse] ».",
        SENTENCES,
        "Q : Alpha one?\nR : found(Alpha one?)\n\nQ : Beta two.\nR : found(Beta two.)",
    ),
    (
        "Pour chaque ligne, recherchez l'information dans les documents internes, ensuite demandez au modèle une synthèse en une phrase, enfin formatez le tout comme suit : « [ligne] — [synthèse] ».",
        LINES,
        "alpha — said(found(alpha))\nbeta — said(found(beta))",
    ),
    (
        "Il faut parcourir le texte ligne par ligne, rechercher chaque ligne et retourner \"- [ligne] : [résultat]\".",
        LINES,
        "- alpha : found(alpha)\n- beta : found(beta)",
    ),
    (
        "Pour chaque élément de la liste, demande au modèle d'en donner une définition puis écris « [élément] = [définition] ».",
        LINES,
        "alpha = said(alpha)\nbeta = said(beta)",
    ),
    (
        "Lire chaque ligne, la chercher dans les documents, puis la restituer suivie du résultat.",
        LINES,
        "alpha : found(alpha)\nbeta : found(beta)",
    ),
    (
        "Pour chaque phrase, cherche la réponse. Formate : \"Phrase : [phrase]\\nRéponse : [réponse]\"",
        SENTENCES,
        "Phrase : Alpha one?\nRéponse : found(Alpha one?)\n\nPhrase : Beta two.\nRéponse : found(Beta two.)",
    ),
    (
        "À partir du texte fourni, pour chaque phrase, on recherche dans les documents puis on met en forme le résultat selon le modèle \"[phrase] : [résultat]\".",
        SENTENCES,
        "Alpha one? : found(Alpha one?)\nBeta two. : found(Beta two.)",
    ),
    (
        "Traduire chaque ligne en anglais, puis chercher la traduction dans les documents, et enfin formater comme « {ligne} | {traduction} | {résultat} ».",
        LINES,
        "alpha | said(alpha) | found(said(alpha))\nbeta | said(beta) | found(said(beta))",
    ),
    (
        "Pour chaque phrase de l’entrée utilisateur, recherche avec l’outil paradigm_search et mets en forme le résultat ainsi : « Question : {phrase}\\nRéponse : {résultat} ». Renvoie l’ensemble dans l’ordre.",
        SENTENCES,
        "Question : Alpha one?\nRéponse : found(Alpha one?)\n\nQuestion : Beta two.\nRéponse : found(Beta two.)",
    ),
    (
        "For each sentence in the text, search in the documents. If no result is found, write \"No answer\". Then format as \"[sentence]: [result]\".",
        SENTENCES,
        "Alpha one?: found(Alpha one?)\nBeta two.: found(Beta two.)",
    ),
    (
        "For every single sentence the user typed, perform a search using paradigm_search, then format the outcome as “Question: [sentence]\\nAnswer: [result]”, keeping the original order.",
        SENTENCES,
        "Question: Alpha one?\nAnswer: found(Alpha one?)\n\nQuestion: Beta two.\nAnswer: found(Beta two.)",
    ),
    (
        "Ask the model to answer each line. Then format as \"Q. [line]\\nA. [answer]\" with a blank line between blocks.",
        LINES,
        "Q. alpha\nA. said(alpha)\n\nQ. beta\nA. said(beta)",
    ),
    (
        "Search each line in the documents; then ask the model to classify the result as POSITIVE, NEGATIVE or NEUTRAL; then format as \"[line]: [category]\".",
        LINES,
        "alpha: POSITIVE\nbeta: NEUTRAL",
    ),
    (
        "for each line\n- search paradigm\n- summarise the result\n- format as \"[line]: [summary]\"",
        LINES,
        "alpha: said(found(alpha))\nbeta: said(found(beta))",
    ),
    (
        "For each of the sentences: search the docs -> ask the model to shorten the result -> format as \"[sentence] : [result]\"",
        SENTENCES,
        "Alpha one? : said(found(Alpha one?))\nBeta two. : said(found(Beta two.))",
    ),
    (
        "Pour chaque item : rechercher, puis résumer en une phrase, puis formater en \"* [item] : [résumé]\".",
        LINES,
        "* alpha : said(found(alpha))\n* beta : said(found(beta))",
    ),
    (
        "Pour chaque ligne du message, trouve la réponse dans la documentation puis rédige \"Question: [ligne]\\nRéponse: [réponse]\" et sépare les blocs par une ligne vide.",
        LINES,
        "Question: alpha\nRéponse: found(alpha)\n\nQuestion: beta\nRéponse: found(beta)",
    ),
    (
        "For each line, search the documents. Number the results and format as \"[n]. [line]: [result]\".",
        LINES,
        "1. alpha: found(alpha)\n2. beta: found(beta)",
    ),
    (
        "Take the user's input, break it into sentences, search each sentence with paradigm_search, and format each result as 'Question: [sentence]\\nAnswer: [result]'.",
        SENTENCES,
        "Question: Alpha one?\nAnswer: found(Alpha one?)\n\nQuestion: Beta two.\nAnswer: found(Beta two.)",
    ),
    (
        "The input contains one question per line. For each question, search the document base and then print \"[question]\" then the answer on a new line.",
        LINES,
        "alpha\nfound(alpha)\n\nbeta\nfound(beta)",
    ),
    (
        "L'utilisateur saisit plusieurs questions, une par ligne. Pour chacune, chercher la réponse dans les documents et afficher « [question] : [réponse] ».",
        LINES,
        "alpha : found(alpha)\nbeta : found(beta)",
    ),
    (
        "Pour chaque phrase, demande à l'IA de la corriger, puis affiche « Avant : [phrase]\\nAprès : [correction] ».",
        SENTENCES,
        "Avant : Alpha one?\nAprès : said(Alpha one?)\n\nAvant : Beta two.\nAprès : said(Beta two.)",
    ),
    (
        "For each line, ask the AI to correct the spelling, then format as \"Before: [line]\\nAfter: [corrected line]\".",
        LINES,
        "Before: alpha\nAfter: said(alpha)\n\nBefore: beta\nAfter: said(beta)",
    ),
    (
        "for each line of input search documents and format \"line: result\"",
        LINES,
        "alpha: found(alpha)\nbeta: found(beta)",
    ),
    (
        "Go through every sentence, look it up with paradigm_search, and print 'Q: {sentence}' and 'A: {answer}' on separate lines.",
        SENTENCES,
        "Q: Alpha one?\nA: found(Alpha one?)\n\nQ: Beta two.\nA: found(Beta two.)",
    ),
    (
        "Given the user's text: split it in sentences, search for each of them, return \"[sentence]: [result]\" joined by newlines.",
        SENTENCES,
        "Alpha one?: found(Alpha one?)\nBeta two.: found(Beta two.)",
    ),
    (
        "For each sentence in the user's input:\n1. Use paradigm_search to find an answer.\n2. Format as:\nQuestion: [sentence]\nAnswer: [answer]\nSeparate the blocks with a blank line.",
        SENTENCES,
        "Question: Alpha one?\nAnswer: found(Alpha one?)\n\nQuestion: Beta two.\nAnswer: found(Beta two.)",
    ),
    (
        "Take a list of company names (one per line). For each name, search \"Who runs [name]?\" and then format as \"- [name]: [result]\".",
        LINES,
        "- alpha: found(Who runs alpha?)\n- beta: found(Who runs beta?)",
    ),
    (
        "For each product in the input (separated by semicolons), search for its price, then format as \"[product] costs [price]\".",
        SEMICOLONS,
        "alpha costs It costs 5,000.5 EUR (ref. 7)\nbeta costs It costs 4,000.5 EUR (ref. 7)",
    ),
    (
        "Search every question with Paradigm, then ask the model to answer in one sentence based on the result, then format as \"Q: [question]\\nA: [answer]\".",
        SENTENCES,
        "Q: Alpha one?\nA: said(found(Alpha one?))\n\nQ: Beta two.\nA: said(found(Beta two.))",
    ),
    (
        "For each line: ask the model to translate it into German; then format as \"[line] = [translation]\".",
        LINES,
        "alpha = said(alpha)\nbeta = said(beta)",
    ),
    (
        "For each sentence, first ask the model to rephrase it, then search for the rephrased sentence, then format as \"[sentence] → [result]\".",
        SENTENCES,
        "Alpha one? → found(said(Alpha one?))\nBeta two. → found(said(Beta two.))",
    ),
    (
        "I need a program which, for every line of the input, queries the documents and outputs \"LINE: <line> | FOUND: <result>\".",
        LINES,
        "LINE: alpha | FOUND: found(alpha)\nLINE: beta | FOUND: found(beta)",
    ),
    (
        "For each line of the input, ask the model: \"Is this a question? [line]\". Then format as \"[line] - [reply]\".",
        LINES,
        "alpha - said(Is this a question? alpha)\nbeta - said(Is this a question? beta)",
    ),
    (
        "Your job: for each sentence, search; then format as \"[number]. [sentence] — [result]\".",
        SENTENCES,
        "1. Alpha one? — found(Alpha one?)\n2. Beta two. — found(Beta two.)",
    ),
    (
        "The workflow should take each sentence from the input, search for it, and format the output as 'Sentence: [sentence], Result: [result]'.",
        SENTENCES,
        "Sentence: Alpha one?, Result: found(Alpha one?)\nSentence: Beta two., Result: found(Beta two.)",
    ),
    (
        "Please search the documents for each line. After that, summarise each result. Finally format as \"[line]: [summary]\".",
        LINES,
        "alpha: said(found(alpha))\nbeta: said(found(beta))",
    ),
    (
        "Each line is a question. Answer each question from the documents, then format as \"[question]\\n-> [answer]\".",
        LINES,
        "alpha\n-> found(alpha)\n\nbeta\n-> found(beta)",
    ),
    (
        "For every item, do a search, then ask the LLM to extract the date from the result, then format as \"[item]: [date]\".",
        LINES,
        "alpha: said(found(alpha))\nbeta: said(found(beta))",
    ),
    (
        "For each sentence search it, then if nothing was found write \"unknown\" otherwise write the result; format as \"[sentence]: [result]\".",
        SENTENCES,
        "Alpha one?: found(Alpha one?)\nBeta two.: found(Beta two.)",
    ),
    (
        "Pour chaque ligne, cherche dans les documents. Si rien n'est trouvé, écris « inconnu ». Affiche « [ligne] : [résultat] ».",
        LINES,
        "alpha : found(alpha)\nbeta : found(beta)",
    ),
    (
        "Pour chaque question de l'utilisateur, trouve la réponse dans les documents puis reformule-la simplement avec le modèle ; affiche « [question] : [réponse] ».",
        SENTENCES,
        "Alpha one? : said(found(Alpha one?))\nBeta two. : said(found(Beta two.))",
    ),
    (
        "Parcourir les phrases du texte. Pour chacune d'elles, chercher dans les documents puis formater : « [phrase] => [résultat] ».",
        SENTENCES,
        "Alpha one? => found(Alpha one?)\nBeta two. => found(Beta two.)",
    ),
    (
        "Pour chaque nom de client (un par ligne), recherche \"contrat de [nom]\" et formate \"{nom} : {résultat}\".",
        LINES,
        "alpha : found(contrat de alpha)\nbeta : found(contrat de beta)",
    ),
    (
        "Veuillez, pour chaque phrase, effectuer une recherche dans la base de connaissances, puis présenter chaque résultat sous forme de liste : \"- [phrase] : [résultat]\".",
        SENTENCES,
        "- Alpha one? : found(Alpha one?)\n- Beta two. : found(Beta two.)",
    ),
    (
        "Découpe le texte en paragraphes, demande au modèle un titre pour chaque paragraphe, puis affiche « [titre]\\n[paragraphe] ».",
        PARAGRAPHS,
        "said(alpha)\nalpha\n\nsaid(beta)\nbeta",
    ),
    (
        "1. Séparer le texte par points-virgules\n2. Rechercher chaque élément\n3. Formater \"[élément] | [résultat]\"",
        SEMICOLONS,
        "alpha | found(alpha)\nbeta | found(beta)",
    ),
    (
        "Le programme doit traiter chaque ligne : recherche de la réponse, puis mise en forme « [ligne] - [réponse] ».",
        LINES,
        "alpha - found(alpha)\nbeta - found(beta)",
    ),
    (
        "Pour chaque ligne de l'entrée, demande au modèle de dire si elle est positive ou négative, puis formate \"[ligne] : [réponse]\".",
        LINES,
        "alpha : said(alpha)\nbeta : said(beta)",
    ),
    (
        "Pour chaque phrase, on interroge les documents ; ensuite le résultat est mis en forme ainsi : « P : {phrase} / R : {résultat} ».",
        SENTENCES,
        "P : Alpha one? / R : found(Alpha one?)\nP : Beta two. / R : found(Beta two.)",
    ),
    (
        "Dans un premier temps, découpe l'entrée en phrases. Dans un second temps, cherche chaque phrase. Pour finir, affiche « [phrase] : [réponse] » pour chacune.",
        SENTENCES,
        "Alpha one? : found(Alpha one?)\nBeta two. : found(Beta two.)",
    ),
    (
        "Pour chaque ligne, traduire en anglais, rechercher la traduction, traduire le résultat en français et afficher « [ligne] : [traduction] ».",
        LINES,
        "alpha : said(found(said(alpha)))\nbeta : said(found(said(beta)))",
    ),
    (
        "Crée un workflow qui, pour chaque élément séparé par une virgule, interroge la base documentaire et renvoie « [élément] → [résultat] » un par ligne.",
        COMMAS,
        "alpha → found(alpha)\nbeta → found(beta)",
    ),
    (
        "Pour chaque ligne, cherche la réponse et renvoie-la précédée de « Réponse : ».",
        LINES,
        "Réponse : found(alpha)\nRéponse : found(beta)",
    ),
    (
        "Pour chaque phrase, cherche puis résume en une phrase puis affiche la phrase suivie du résumé.",
        SENTENCES,
        "Alpha one? : said(found(Alpha one?))\nBeta two. : said(found(Beta two.))",
    ),
    (
        "Rechercher chaque ligne dans les documents et numéroter les résultats : « [n]. [résultat] ».",
        LINES,
        "1. found(alpha)\n2. found(beta)",
    ),
    (
        "For each line, ask the model for a haiku and then search for the haiku, then format as \"[line]\\n[haiku]\\n[result]\".",
        LINES,
        "alpha\nsaid(alpha)\nfound(said(alpha))\n\nbeta\nsaid(beta)\nfound(said(beta))",
    ),
    (
        "For each term (separated by commas), search its definition and format as \"{term}: {definition}\".",
        COMMAS,
        "alpha: found(definition of alpha)\nbeta: found(definition of beta)",
    ),
    (
        "Search each sentence. Output: the sentence, followed by the answer on the next line.",
        SENTENCES,
        "Alpha one?\nfound(Alpha one?)\n\nBeta two.\nfound(Beta two.)",
    ),
    (
        "For each line of the text, find the answer in our internal documents & then print \"[line] :: [answer]\".",
        LINES,
        "alpha :: found(alpha)\nbeta :: found(beta)",
    ),
    (
        "Pour chaque phrase, cherche-la puis présente-la ainsi :\nQuestion : [phrase]\nRéponse : [résultat]",
        SENTENCES,
        "Question : Alpha one?\nRéponse : found(Alpha one?)\n\nQuestion : Beta two.\nRéponse : found(Beta two.)",
    ),
    (
        "Pour chacun des éléments suivants, séparés par des points-virgules : recherche, puis formatage « [élément] : [résultat] ».",
        SEMICOLONS,
        "alpha : found(alpha)\nbeta : found(beta)",
    ),
    (
        "For each question, get the answer from the knowledge base and format it as “**[question]**\\n[answer]\\n”.",
        SENTENCES,
        "**Alpha one?**\nfound(Alpha one?)\n\n\n**Beta two.**\nfound(Beta two.)\n",
    ),
    (
        "Splits the input into lines, searches each line, and prints \"[line] = [result]\".",
        LINES,
        "alpha = found(alpha)\nbeta = found(beta)",
    ),
    (
        "For each line:\n   * search the documents\n   * ask the model: \"Summarise in five words: [result]\"\n   * format as \"[line]: [reply]\"",
        LINES,
        "alpha: said(Summarise in five words: found(alpha))\nbeta: said(Summarise in five words: found(beta))",
    ),
    (
        "Étape 1. Pour chaque ligne, cherche dans les documents.\nÉtape 2. Demande au modèle de traduire le résultat en anglais.\nÉtape 3. Affiche « [ligne] → [traduction] ».",
        LINES,
        "alpha → said(found(alpha))\nbeta → said(found(beta))",
    ),
    (
        "Pour chaque ligne, cherche la réponse puis renvoie un tableau JSON d'objets avec les clés question et reponse.",
        LINES,
        "[\n  {\n    \"question\": \"alpha\",\n    \"reponse\": \"found(alpha)\"\n  },\n  {\n    \"question\": \"beta\",\n    \"reponse\": \"found(beta)\"\n  }\n]",
    ),
    (
        "Take each line; search; format '[line] --> [result]'; return everything in the original order.",
        LINES,
        "alpha --> found(alpha)\nbeta --> found(beta)",
    ),
    (
        "For each sentence in the input please do a lookup in the docs, and then put the output like so: \"Q=[sentence]; A=[result]\".",
        SENTENCES,
        "Q=Alpha one?; A=found(Alpha one?)\nQ=Beta two.; A=found(Beta two.)",
    ),
    (
        "For every line, search the documents, then write the line, then the answer.",
        LINES,
        "alpha: found(alpha)\nbeta: found(beta)",
    ),
    (
        "Search each sentence in the documents: \"[sentence]: [result]\".",
        SENTENCES,
        "Alpha one?: found(Alpha one?)\nBeta two.: found(Beta two.)",
    ),
    (
        "For each line, search and summarise the result, then format as \"[result] ([summary])\".",
        LINES,
        "found(alpha) (said(found(alpha)))\nfound(beta) (said(found(beta)))",
    ),
    (
        "For each line, search the documents. Return the line and the result separated by a tab.",
        LINES,
        "alpha\tfound(alpha)\nbeta\tfound(beta)",
    ),
    (
        "Pour chaque ligne, recherche et affiche la ligne, puis la réponse à la ligne suivante.",
        LINES,
        "alpha\nfound(alpha)\n\nbeta\nfound(beta)",
    ),
    (
        "Pour chaque phrase : chercher → résumer → afficher « [phrase] : [résumé] ».",
        SENTENCES,
        "Alpha one? : said(found(Alpha one?))\nBeta two. : said(found(Beta two.))",
    ),
    (
        "POUR CHAQUE LIGNE, CHERCHE DANS LES DOCUMENTS PUIS AFFICHE « [LIGNE] : [RÉSULTAT] ».",
        LINES,
        "alpha : found(alpha)\nbeta : found(beta)",
    ),
    (
        "FOR EACH SENTENCE, SEARCH THE DOCUMENTS AND FORMAT AS \"[SENTENCE]: [RESULT]\".",
        SENTENCES,
        "Alpha one?: found(Alpha one?)\nBeta two.: found(Beta two.)",
    ),
    (
        "For each line, search the documents and return the results separated by commas.",
        LINES,
        "found(alpha), found(beta)",
    ),
    (
        "For each line, search the documents; return the line and the answer separated by ' | '.",
        LINES,
        "alpha | found(alpha)\nbeta | found(beta)",
    ),
    (
        "Pour chaque ligne, cherche et renvoie les réponses séparées par une ligne vide.",
        LINES,
        "found(alpha)\n\nfound(beta)",
    ),
];

#[test]
fn every_wording_gives_the_result_it_asks_for() {
    let mut wrong = Vec::new();
    for (description, input, expected) in WORDED {
        match offline::compile(description) {
            Err(refused) => wrong.push(format!("{description}\n    {}", refused.message)),
            Ok(program) => {
                let result = python::run(&program.code, input)["result"].clone();
                if result.as_str() != Some(expected) {
                    wrong.push(format!("{description}\n    {result}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn letter_case_accents_and_kinds_of_quotes_change_nothing() {
    let quotes =
        [("\"", "\""), ("'", "'"), ("“", "”"), ("‘", "’"), ("« ", " »"), ("`", "`"), ("„", "“"), ("‹", "›")];
    let brackets = [("[", "]"), ("{", "}"), ("<", ">")];
    let expected =
        "Phrase : Alpha one?\nRéponse : found(Alpha one?)\n\nPhrase : Beta two.\nRéponse : found(Beta two.)";
    for (open, close) in quotes {
        for (left, right) in brackets {
            let pattern =
                format!("{open}Phrase : {left}phrase{right}\\nRéponse : {left}réponse{right}{close}");
            for verbs in [
                ["cherche", "affiche"],
                ["cherchez", "affichez"],
                ["chercher", "afficher"],
                ["CHERCHER", "AFFICHER"],
                ["recherche", "formate"],
            ] {
                let [search, format] = verbs;
                let description = format!("Pour chaque phrase, {search} la réponse puis {format} {pattern}.");
                let plain = description.replace("réponse{", "reponse{").replace("réponse]", "reponse]");
                for description in [description, plain] {
                    let program = offline::compile(&description)
                        .unwrap_or_else(|refused| panic!("{description}: {}", refused.message));
                    assert!(program.code.contains("Phrase : ") && program.code.contains("\\nRéponse : "));
                }
            }
        }
    }
    let program = offline::compile(
        "Pour chaque phrase, cherche puis affiche ‹ Phrase : {phrase}\\nRéponse : {réponse} ›",
    );
    let program = program.unwrap_or_else(|refused| panic!("{}", refused.message));
    assert_eq!(python::run(&program.code, SENTENCES)["result"], expected);
}
