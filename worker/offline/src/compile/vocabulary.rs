//! The words of the grammar, English and French, folded. One list per part of speech or concept; a word that is in
//! no list is never skipped.

/// Word lists by the name patterns use for them (`@search`).
const CLASSES: &[(&str, &str)] = &[
    // Between clauses.
    ("stop", ". , ; : ! ( ) • – — * -> => →"),
    ("link", "and & then et puis ensuite finally enfin but mais otherwise else sinon"),
    (
        "filler",
        "please just simply now so also next first firstly second secondly third thirdly finally last \
         lastly afterwards later thereafter subsequently alors d abord ensuite enfin aussi maintenant simplement premierement \
         deuxiemement troisiemement puis then and & et - but mais",
    ),
    // Articles and the like. `all` and `each` are read apart: they say what is repeated.
    (
        "det",
        "the a an this that these those its their our my your his her le la les l un une des du de d ce cet \
         cette ces son sa ses leur leurs nos notre mes mon ma vos votre of",
    ),
    ("each", "each every any chaque"),
    ("all", "all tous toutes tout toute"),
    ("only", "only just solely uniquement seulement juste simplement exclusivement"),
    // Verbs.
    (
        "search",
        "search searches searching query queries lookup find finds finding retrieve retrieves retrieving \
         get gets consult consults cherche cherches cherchez chercher recherche recherches recherchez \
         rechercher trouve trouves trouvez trouver interroge interroges interrogez interroger consulte \
         consultes consultez consulter cherchant recherchant obtiens obtenez obtenir recupere recuperez \
         recuperer",
    ),
    (
        "output",
        "format formats formatting formatted output outputs print prints return returns returning show \
         shows display displays write writes give gives produce produces present presents render renders \
         list lists report reports put emit renvoie renvoies renvoyez renvoyer retourne retournes retournez \
         retourner affiche affiches affichez afficher formate formates formatez formater ecris ecrit \
         ecrivez ecrire donne donnes donnez donner presente presentes presentez presenter produis produit \
         produisez produire rends rend rendez rendre restitue restituez restituer mets mettez mettre mettes \
         fournisses ecrives produises sors sortez sortir liste listez lister fournis fournissez fournir",
    ),
    (
        "split",
        "split splits splitting divide divides break breaks cut cuts chunk separate decoupe decoupes decoupez \
         decouper separe separes separez separer divise divises divisez diviser scinde scindez scinder fractionne \
         fractionnez fractionner coupe coupez couper decompose decomposez decomposer",
    ),
    ("answer", "answer answers answering reponds repondez repondre"),
    (
        "ask",
        "ask asks asking prompt prompts query queries question demande demandes demandez demander interroge \
         interrogez interroger",
    ),
    (
        "use",
        "use uses using call calls calling run runs invoke invokes apply have has let make utilise utilises \
         utilisez utiliser appelle appelez appeler fais faites faire fait lance lancez lancer effectue \
         effectuez effectuer execute executez",
    ),
    (
        "summarise",
        "summarise summarize summarises summarizes summarising summarizing condense condenses resume \
         resumes resumez resumer resumant synthetise synthetisez synthetiser condensez condenser",
    ),
    (
        "translate",
        "translate translates translating traduis traduit traduisez traduire traduisant traduises \
         traduisiez",
    ),
    (
        "classify",
        "classify classifies classifying categorise categorize categorises categorizes label labels tag \
         tags classe classes classez classer classifie classifiez classifier categorisez categoriser \
         etiquette etiquetez etiqueter",
    ),
    ("rate", "rate rates rating score scores grade grades note notez noter evalue evaluez evaluer"),
    (
        "rewrite",
        "rewrite rewrites rephrase rephrases reformulate reformulates paraphrase simplify simplifies \
         shorten shortens explain explains describe describes correct corrects proofread polish improve \
         improves define defines expand reformule reformulez reformuler recris reecris reecrivez reecrire \
         simplifie simplifiez simplifier raccourcis raccourcissez raccourcir explique expliquez expliquer \
         decris decrivez decrire corrige corrigez corriger ameliore ameliorez ameliorer definis definissez \
         definir paraphrasez paraphraser developpe developpez developper",
    ),
    (
        "merge",
        "merge merges merging combine combines combining synthesise synthesize consolidate fusionne \
         fusionnez fusionner combinez combiner regroupe regroupez regrouper",
    ),
    // Verbs that only an explicit "ask the model to" carries.
    (
        "tell",
        "answer answers write give list extract identify check tell say suggest propose generate compare \
         decide detect produce make create draft compose pick choose imagine invent state turn point \
         comment analyse analyze assess verify determine estimate convert repondre repond reponds repondez \
         ecrire ecris donner donne lister extraire extrais identifier identifie verifier verifie dire dis \
         suggerer suggere proposer propose generer genere comparer compare decider detecter produire creer \
         rediger redige composer choisir inventer imaginer commenter analyser juger determiner estimer \
         tirer formuler evaluer indiquer indique highlight outline infer guess name count keep include \
         mention use be",
    ),
    // Nouns.
    (
        "input",
        "input inputs text texts message content prompt request texte textes entree saisie message contenu \
         demande",
    ),
    (
        "given",
        "user users usager s provided given supplied submitted entered incoming whole entire full complete \
         original raw fourni fournie fournis fournies donne donnee donnees saisi saisie saisis recu recue \
         complet complete entier entiere integral brut initial initiale utilisateur",
    ),
    (
        "document",
        "document documents doc docs corpus documentation library base files paradigm workspace archives \
         documentaire intranet",
    ),
    (
        "owner",
        "company companies internal own uploaded available reference knowledge document s our team teams \
         indexed internes interne disponibles entreprise societe connaissances documentaire documentaires \
         maison reference equipe",
    ),
    (
        "modelword",
        "model models llm ai assistant chat_completion gpt claude chatbot modele ia intelligence language \
         langage langue large artificielle chat completion",
    ),
    (
        "searchtool",
        "paradigm_search paradigm search recherche documentaire tool outil function fonction document",
    ),
    ("number", NUMBER_WORDS),
    ("pronoun", "it them this that these those one le la les l ca cela celle celui lui"),
    (
        "unit",
        "euros euro eur dollars dollar usd pounds pound gbp percent days day jours jour hours hour heures \
         heure weeks semaines months mois years ans people employees personnes salaries kilometres km \
         minutes points",
    ),
    (
        "found",
        "found returned obtained retrieved given made produced received resulting corresponding matching \
         above below itself separately individually trouve trouvee trouves trouvees obtenu obtenue obtenus \
         obtenues renvoye renvoyee finale final finales finaux correspondant correspondante correspondants \
         correspondantes associe associee produit produite precedent precedente",
    ),
    (
        "quality",
        "final resulting corresponding matching found obtained original whole entire full complete raw \
         single individual matched relevant right correct pertinent pertinente pertinents pertinentes utile utiles",
    ),
    (
        "make",
        "write draft compose invent generate make create suggest propose produce give list extract identify detect \
         determine state ecrire ecris rediger redige composer inventer generer genere proposer propose produire creer \
         donner donne lister extraire extrais identifier identifie detecter determiner trouver",
    ),
    ("preposition", "of for about on from to in into with de d du des sur pour en dans a au aux avec"),
    // What one part of the input may be called.
    (
        "item",
        "sentence sentences phrase phrases line lines row rows ligne lignes item items element elements \
         entry entries paragraph paragraphs paragraphe paragraphes word words mot mots name names nom noms \
         question questions query queries requete requetes topic topics sujet sujets theme themes product \
         products produit produits company companies entreprise entreprises societe societes city cities \
         ville villes person people persons personne personnes term terms terme termes keyword keywords \
         country countries pays chunk chunks piece pieces morceau morceaux section bullet bullets client \
         clients customer customers employee employees title titles titre titres claim claims statement \
         statements affirmation affirmations point points subject subjects request requests reference \
         references supplier suppliers fournisseur fournisseurs article articles comment comments \
         commentaire commentaires review reviews avis acronym acronyms sigle sigles concept concepts idea \
         ideas idee idees expression expressions value values valeur valeurs site sites service services \
         skill skills role roles part parts partie parties project projects projet projets demande demandes candidat candidats \
         candidate candidates",
    ),
    // What a model does to a text.
    (
        "made",
        "merged translated combined fused consolidated rewritten rephrased corrected simplified shortened \
         improved fusionne fusionnee combine reformule reformulee corrige corrigee simplifie simplifiee \
         traduit traduite traduites traduits reecrit reecrite raccourci ameliore",
    ),
];

/// The word list of a name; empty for a name that is none.
pub(crate) fn class(name: &str) -> &'static str {
    CLASSES.iter().find(|(known, _)| *known == name).map_or("", |(_, words)| words)
}

const NUMBER_WORDS: &str = "one two three four five six seven eight nine ten twenty un une deux trois quatre cinq \
                            sept huit neuf dix vingt";

/// A number written as a word.
pub(crate) fn number_word(word: &str) -> Option<u64> {
    Some(match word {
        "one" | "un" | "une" | "single" => 1,
        "two" | "deux" => 2,
        "three" | "trois" => 3,
        "four" | "quatre" => 4,
        "five" | "cinq" => 5,
        "six" => 6,
        "seven" | "sept" => 7,
        "eight" | "huit" => 8,
        "nine" | "neuf" => 9,
        "ten" | "dix" => 10,
        "twenty" | "vingt" => 20,
        _ => return None,
    })
}

/// Words of actions for which there is no tool, in any part handed to the model as it stands. Nobody may
/// believe that a program did these because a model was asked to.
pub(crate) const BEYOND_TOOLS: &str = "mail mails email emails e-mail courriel courriels send sends sending envoie envoyer envoyez \
     post publish publie publier upload download telecharge telecharger fetch web internet website http https www url \
     save store enregistre enregistrer sauvegarde sauvegarder slack sms whatsapp sharepoint database sql schedule \
     calendar delete remove supprime supprimer execute shell tcp socket environment passwd etc password secret \
     notify alert notifie alerte forward transfere book reserve buy pay order commander remind weather sort sorted \
     trie trier";
