"""The claims of the paper, and of the article that the book grew from, with our verdicts: made from records.

A claim names what it reads: the records of an experiment, or nothing where the networks that come with the package
settle it. Its ``judge`` says a word and the numbers that decide. A claim whose records are not there, or whose runs are
not all made, is "not tested yet", by rule. The tour of the book ends in this table, in English and in Chinese.
"""

import html
from collections.abc import Callable
from dataclasses import dataclass

from .. import zoo
from . import gradient_judges, judges, saliency_judges
from .judges import Judgement, Records, Unfinished

LANGUAGES = ("en", "zh")
LATE = "†"
WORDS = {
    "holds": "成立",
    "holds in part": "部分成立",
    "did not show": "未观察到",
    "refuted": "被推翻",
    "not tested": "未检验",
    "not tested yet": "尚未检验",
}


@dataclass(frozen=True)
class Claim:
    """A claim in both languages, where it stands, the chapter that settles it, and how it is judged.

    ``reading`` is a format string in each language for the numbers of the judgement. A verdict is ``late`` if the rule
    for its word was set, or changed, when the runs had been read; the table marks it.
    """

    key: str
    text: tuple[str, str]
    source: tuple[str, str]
    chapter: str  # file name of the notebook, without its ending
    records: str | None
    judge: Callable[[Records], Judgement] | None
    reading: tuple[str, str] = ("", "")
    late: bool = False


@dataclass(frozen=True)
class Verdict:
    """A word, and the reading that decides, in one language."""

    word: str
    reading: str


def verdict(claim: Claim, language: str = "en") -> Verdict:
    """The verdict on a claim in "en" or "zh". Raises ValueError for another language."""
    if language not in LANGUAGES:
        raise ValueError(f"language must be one of {', '.join(LANGUAGES)}; got {language!r}")
    chinese = language == "zh"
    word, reading = "not tested yet", ""
    if claim.judge is not None and (claim.records is None or claim.records in zoo.list_records()):
        try:
            word, numbers = claim.judge(zoo.load_records(claim.records) if claim.records else [])
            reading = claim.reading[chinese].format(**numbers)
        except Unfinished as some:
            reading = f"{some} 次训练已完成" if chinese else f"{some} runs made"
    return Verdict(WORDS[word] if chinese else word, reading)


def table(language: str = "en") -> str:
    """All claims as an HTML table whose last column links the chapters. Raises ValueError for another language."""
    heads = {"en": ("claim", "verdict", "what decides", "chapter"), "zh": ("主张", "结论", "判定依据", "章")}
    rows = []
    for claim in CLAIMS:
        found = verdict(claim, language)
        side = LANGUAGES.index(language)
        number = int(claim.chapter[:2])
        cells = (
            f"{html.escape(claim.text[side])} <small>({html.escape(claim.source[side])})</small>",
            f'<strong style="white-space: nowrap">{found.word}{LATE * claim.late}</strong>',
            html.escape(found.reading) or "–",
            f'<a href="../notebooks/{claim.chapter}.html">{number}</a>',
        )
        rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    head = "".join(f"<th>{name}</th>" for name in heads[language])
    return f'<table class="table claims"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'


# --- the claims, in the order of the tour

CLAIMS = (
    Claim(
        "saliency",
        (
            "A network trained for classes alone has saliency in its activations",
            "只用类别标签训练的网络，激活中已含显著性",
        ),
        ("article", "文章"),
        "01_attention_in_images",
        None,
        saliency_judges.saliency_in_activations,
        (
            "exploratory: last layer less the best of contrast and usual place, treated alike, points: pointing "
            "{pointing}, energy {energy}, IoU {iou}",
            "探索性：最后一层减去对比度与常见位置中较好者（同样处理，百分点）：指向命中率 {pointing}，能量 {energy}，"
            "IoU {iou}",
        ),
    ),
    Claim(
        "published",
        ("The networks built here are the published ones", "本书构建的网络就是作者公布的网络"),
        ("authors' files", "作者的文件"),
        "02_network_overview",
        "authors_files",
        judges.as_published,
        (
            "{equal} of {files} files, largest relative difference of logits {worst:.0e}",
            "{files} 个文件中 {equal} 个一致，logits 最大相对差 {worst:.0e}",
        ),
    ),
    Claim(
        "sizes",
        ("The printed sizes are those of the networks", "论文给出的参数量与网络相符"),
        ("Table 7", "表 7"),
        "02_network_overview",
        "authors_files",
        judges.printed_sizes,
        (
            "{agree} of {all} within half a per cent (a bound set here); {name} is {off:+.1f} % off",
            "{all} 个中 {agree} 个相差不到 0.5 %（此界限由本书设定）；{name} 相差 {off:+.1f} %",
        ),
    ),
    Claim(
        "top-down",
        (
            "Bottom-up and top-down attention fit into one forward pass: a mask follows the task",
            "自下而上与自上而下的注意力可以放进一次前向计算：掩码跟随任务",
        ),
        ("section 1", "第 1 节"),
        "10_stacked_attention",
        "cued",
        judges.one_mask_carries_the_choice,
        (
            "one swapped mask moves the answer in {arl} of 8 ARL and {nal} of 8 NAL networks (the rule asks for 7); on "
            "average over all 16, at the better module, {cued:.1f} % then name the cued object, {other:.1f} % the "
            "other",
            "8 个 ARL 网络中有 {arl} 个、8 个 NAL 网络中有 {nal} 个，换掉一张掩码就换掉答案（规则要求 7 个）；"
            "取两个模块中效果较大者，16 个网络平均 {cued:.1f} % 仍答目标物体，{other:.1f} % 答另一个物体",
        ),
    ),
    Claim(
        "worth",
        ("Masks are worth more than their parameters in plain units", "掩码比同样多参数的普通残差单元更有用"),
        ("section 4", "第 4 节"),
        "10_stacked_attention",
        "cued",
        judges.masks_beat_units,
        (
            "on Cued Scenes, accuracy less the equal twin's, points: ARL {arl}, NAL {nal}; {inside} of 2 inside ± 2. "
            "Of all {n} comparisons of ARL with such a twin {better} stands for masks, {worse} against (exploratory)",
            "Cued Scenes 上准确率减去等参数网络（百分点）：ARL {arl}，NAL {nal}；2 个区间中有 {inside} 个在 ± 2 之内。"
            "ARL 与等参数网络的全部 {n} 项比较中，校正后掩码更好的有 {better} 项，更差的有 {worse} 项（探索性）",
        ),
        late=True,
    ),
    Claim(
        "stack",
        (
            "Modules at different depths attend to different things: sky below, object above",
            "不同深度的模块关注不同的东西：低层是天空，高层是物体",
        ),
        ("Fig. 1", "图 1"),
        "10_stacked_attention",
        "followed",
        judges.sky_below_object_above,
        (
            "the first mean mask dims the sky in {sky} of {n} networks, the last is high on the object in {top}; the "
            "order from edges to objects is there in {order}, and in {bare} of {bare_n} without masks",
            "{n} 个网络中，第一张平均掩码压低天空的有 {sky} 个，最后一张在物体上偏高的有 {top} 个；"
            "从边缘到物体的顺序在 {order} 个中出现，在 {bare_n} 个没有掩码的网络中也有 {bare} 个",
        ),
        late=True,
    ),
    Claim(
        "repair",
        (
            "One module cannot correct its mistake; a later one can",
            "单个模块不能纠正自己的错误，后面的模块可以",
        ),
        ("section 3", "第 3 节"),
        "10_stacked_attention",
        "stacking",
        judges.stacking_repairs,
        (
            "a wrong first mask costs up to {lost:.0f} points; later masks, computed from what arrives, win back "
            "{low:+.1f} to {high:+.1f} over undisturbed ones, half of the loss in {good} of {asked} networks, and "
            "{blind_low:+.1f} to {blind_high:+.1f} over masks that do not look ({blind_asked} networks, exploratory)",
            "第一张掩码出错最多损失 {lost:.0f} 个百分点；后面的掩码按收到的特征计算，与未受扰动的掩码相比挽回 "
            "{low:+.1f} 到 {high:+.1f}，{asked} 个网络中有 {good} 个挽回一半以上；与不看图片的掩码相比挽回 "
            "{blind_low:+.1f} 到 {blind_high:+.1f}（{blind_asked} 个网络，探索性）",
        ),
        late=True,
    ),
    Claim(
        "filter",
        ("A mask is a filter of the trunk's gradient (equation 2)", "掩码是主干梯度的滤波器（公式 2）"),
        ("section 3", "第 3 节"),
        "06_mask_gradient",
        None,
        gradient_judges.gradient_filter,
        (
            "exact: {depends} of {modules} masks depend on the trunk's parameters; under ARL the factor is 1 to 2, and "
            "keeps nothing out",
            "精确成立：{modules} 张掩码中有 {depends} 张依赖主干参数；但 ARL 的系数在 1 到 2 之间，它什么也挡不住",
        ),
    ),
    Claim(
        "what-counts",
        (
            "Masks keep the gradient of what does not count from the trunk",
            "掩码使无关内容的梯度不进入主干",
        ),
        ("a reading of section 3", "对第 3 节的一种理解"),
        "06_mask_gradient",
        None,
        gradient_judges.unheard_object,
        (
            "exploratory: where one mask turns most answers ({carrying} of {networks} networks), {arl_own:.1f} % (ARL) "
            "and {nal_own:.1f} % (NAL) of the signal on two objects is on the one that does not count, "
            "{arl_swapped:.0f} % and {nal_swapped:.0f} % with the other cue's mask; equation 2's factor alone "
            "brings {arl_flat:.0f} % to {arl_factor:.0f} % and {nal_flat:.0f} % to {nal_factor:.0f} %, and an equal "
            "twin without masks has at most {twin:.1f} %",
            "探索性：在一张掩码就能换掉多数答案的网络中（{networks} 个中有 {carrying} 个），两个物体上的信号有 "
            "{arl_own:.1f} %（ARL）和 {nal_own:.1f} %（NAL）落在无关物体上；换成另一提示的掩码后为 "
            "{arl_swapped:.0f} % 和 {nal_swapped:.0f} %；只有公式 2 的系数时，从 {arl_flat:.0f} % 降到 "
            "{arl_factor:.0f} %，从 {nal_flat:.0f} % 降到 {nal_factor:.0f} %；没有掩码的等参数网络最多 {twin:.1f} %",
        ),
    ),
    Claim(
        "right-label",
        (
            "A mask passes the right label's gradient better than the wrong ones'",
            "掩码让正确标签的梯度比错误标签的更易通过",
        ),
        ("a reading of section 3", "对第 3 节的一种理解"),
        "06_mask_gradient",
        "labels",
        gradient_judges.right_label_preferred,
        (
            "by {low:.1f} to {high:.1f} %, in the last module of {preferring} of {networks} networks with three "
            "({early} of {named} named before; with two: {of_two} of {two}); none can block all wrong labels of a "
            "picture",
            "{networks} 个三模块网络中有 {preferring} 个的最后模块如此（事先列出的 {named} 个中 {early} 个；"
            "两模块：{two} 个中 {of_two} 个），"
            "多 {low:.1f} 至 {high:.1f} %；"
            "没有掩码能挡住一张图片的所有错误标签",
        ),
        late=True,
    ),
    Claim(
        "wrong-gradients",
        ("Masks turn down the gradients of wrong labels", "掩码减弱错误标签的梯度"),
        ("section 3", "第 3 节"),
        "09_noisy_labels",
        "noise",
        judges.filters_wrong_labels,
        (
            "log gain of wrongly less rightly labelled pictures, half the labels wrong, × 100: ARL {arl}, NAL {nal}; a "
            "filter has its interval below −2",
            "一半标签错误时，错标与正确标注图片的对数增益之差（× 100）：ARL {arl}，NAL {nal}；区间在 −2 以下才算过滤",
        ),
        late=True,
    ),
    Claim(
        "noise",
        ("Attention helps under label noise", "注意力在标签噪声下有帮助"),
        ("Table 5", "表 5"),
        "09_noisy_labels",
        "noise",
        judges.helps_under_noise,
        (
            "accuracy less the twin's, points, at 50 % noise: ARL {arl50}, NAL {nal50}; at 30 %: {arl30}, {nal30}; "
            "with clean labels: {arl0}, {nal0}",
            "准确率减去等参数网络（百分点），50 % 噪声：ARL {arl50}，NAL {nal50}；30 %：{arl30}，{nal30}；"
            "标签无误：{arl0}，{nal0}",
        ),
        late=True,
    ),
    Claim(
        "no-worse",
        (
            "With M = 0 a module is its trunk, so it is no worse than its trunk",
            "M = 0 时模块就是主干，因此不会比主干差",
        ),
        ("section 3.1", "第 3.1 节"),
        "05_attention_module",
        None,
        judges.no_worse_than_trunk,
        (
            "the first half is algebra; the second, exploratory: accuracy less that of its own trunk, points: {low} to "
            "{high}; {excluded} of {n} comparisons exclude a loss of two points, {against} stand against it. NAL "
            "contains its trunk too (M = 1): {nal_against} of {nal_n} stand against it (corrected over both kinds)",
            "前半句是代数；后半句为探索性：准确率减去自身主干（百分点）：{low} 到 {high}；{n} 项比较中有 {excluded} "
            "项排除两个百分点的损失，校正后仍更差的有 {against} 项。NAL 也包含自身主干（M = 1）："
            "{nal_n} 项中校正后仍更差的有 {nal_against} 项（两类一并校正）",
        ),
    ),
    Claim(
        "residual",
        (
            "Stacked naive attention costs accuracy; attention residual learning does not",
            "朴素注意力堆叠会损失准确率，注意力残差学习不会",
        ),
        ("Table 3", "表 3"),
        "07_attention_residual_learning",
        "depth",
        judges.naive_stacks_cost,
        (
            "nine modules on Scenes, error less that of no masks, points: NAL {nal1000} after 1,000 steps, {nal4000} "
            "after 4,000, masks of one half {attenuation} after 1,000; exploratory: ARL {arl} after 4,000, naive masks "
            "that start open {open} after 1,000. On "
            "4,000 CIFAR-10 pictures NAL less ARL is {cifar}, with no rule set before, and does not "
            "stand after correction",
            "Scenes 上 9 个模块，错误率减去无掩码网络（百分点）：NAL 训练 1,000 步后 {nal1000}，4,000 步后 {nal4000}，"
            "恒为二分之一的掩码 1,000 步后 {attenuation}；"
            "探索性：ARL 4,000 步后 {arl}，一开始就打开的朴素掩码 1,000 步后 {open}。"
            "4,000 张 CIFAR-10 图片上 NAL 减 ARL 为 {cifar}，事先没有规则，校正后不显著",
        ),
        late=True,
    ),
    Claim(
        "encoder-decoder",
        ("The mask needs its way down and up", "掩码需要先下后上的路径"),
        ("Table 4", "表 4"),
        "04_soft_mask_branch",
        "cifar_tables",
        judges.less_error_than("local"),
        (
            "error with local convolutions minus error with the encoder-decoder, 4,000 CIFAR-10 pictures, points: "
            "{d0}; no rule was set before",
            "4,000 张 CIFAR-10 图片上局部卷积掩码多出的错误率（百分点）：{d0}；事先没有规则",
        ),
    ),
    Claim(
        "mixed",
        ("Mixed attention is the best of three activations", "三种激活中混合注意力最好"),
        ("Table 1", "表 1"),
        "04_soft_mask_branch",
        "cifar_tables",
        judges.less_error_than("channel", "spatial"),
        (
            "error minus that with f1, 4,000 CIFAR-10 pictures, points: f2 {d0}, f3 {d1}; no rule was set before",
            "4,000 张 CIFAR-10 图片上比 f1 多出的错误率（百分点）：f2 {d0}，f3 {d1}；事先没有规则",
        ),
    ),
    Claim(
        "imagenet",
        ("Attention-56 beats ResNet-152 on ImageNet", "Attention-56 在 ImageNet 上胜过 ResNet-152"),
        ("Table 7", "表 7"),
        "11_results",
        None,
        judges.against_resnet152,
        (
            "never trained again here; the printed lead is {lead} ± {half} points, if the two err independently",
            "本书没有重新训练；论文给出的领先为 {lead} ± {half} 个百分点（若两者的错误相互独立）",
        ),
    ),
    Claim(
        "units",
        (
            "Attention helps trunks of other units too (ResNeXt, Inception)",
            "注意力对其他主干单元（ResNeXt、Inception）也有效",
        ),
        ("Table 7, article", "表 7，文章"),
        "11_results",
        None,
        judges.other_units,
        (
            "never trained here; the printed leads are {next} ± {next_half} points over ResNeXt-101, with fewer "
            "parameters, and {inception} ± {inception_half} over Inception-ResNet-v1",
            "本书没有训练；论文给出的领先：对 ResNeXt-101（参数更少）{next} ± {next_half} 个百分点，"
            "对 Inception-ResNet-v1 {inception} ± {inception_half} 个百分点",
        ),
    ),
    Claim(
        "supervision",
        ("Attention without supervision is limited; telling it helps", "无监督的注意力有局限，加以监督会更好"),
        ("article", "文章"),
        "12_supervised_attention",
        "supervision",
        judges.telling_helps,
        (
            "accuracy gained by telling, ARL, points: {at300} with 300 labels, {at3000} with 3,000; one of 300 masks "
            "is worth {worth} labels, one of 1,000 {worth1000}, to a twin without masks {twin1000} (brackets: all of "
            "1,000 resamples). In Attention-56 the gain is {deep_last} told at the last mask, "
            "{deep_all} told at all masks; {deep_stand} of 2 stand after correction",
            "以真实掩码监督后 ARL 增加的准确率（百分点）：300 个标签时 {at300}，3,000 个标签时 {at3000}；"
            "300 张掩码中的一张值 {worth} 个标签，1,000 张中的一张值 {worth1000} 个，"
            "对没有掩码的等参数网络值 {twin1000} 个（括号：1,000 次重抽样的范围）。"
            "在 Attention-56 中，只监督最后一张掩码增加 {deep_last}，监督全部掩码增加 {deep_all}"
            "（校正后 2 项中有 {deep_stand} 项成立）",
        ),
    ),
)
